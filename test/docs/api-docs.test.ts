/** The documents of our interfaces: valid, in step with the code, and what is encoded is what they say. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PUBLISHER_DOCS } from "@acktor/publisher/api-docs";
import { encodeAck } from "@acktor/shared/protocol/ack";
import { encodeEnvelope } from "@acktor/shared/protocol/envelope";
import { encodePresence } from "@acktor/shared/protocol/presence";
import { ERROR_CODES } from "@acktor/shared/runtime/api-error";
import { openApiDocument, statusesOf } from "@acktor/shared/runtime/openapi";
import { asyncApiReference } from "../../docs/generate/render-asyncapi.ts";
import { ackSchema, envelopeSchema, presenceSchema } from "../../docs/generate/topic-schemas.ts";
import { apiFaults, asyncApiFaults, openApiFaults, openApiOf } from "../../docs/generate/validate-api.ts";
import { drifted } from "../../docs/generate/write-or-check.ts";

const CHECKSUM = `sha256:${"ab".repeat(32)}`;

test("both kinds of document are valid", async () => {
  assert.deepEqual(await apiFaults(), []);
});

test("a document that is not valid is noticed", async () => {
  const document = openApiOf("publisher", PUBLISHER_DOCS) as { paths: Record<string, unknown> };
  document.paths["no-slash"] = { get: { responses: "none" } };
  assert.equal((await openApiFaults("publisher", document)).length, 1);
});

test("an AsyncAPI document that is not valid is noticed, a reference that leads nowhere too", () => {
  const document = JSON.parse(asyncApiReference().text) as { operations: Record<string, { action: string }> };
  assert.deepEqual(asyncApiFaults(document), []);
  const [operation] = Object.values(document.operations);
  assert.ok(operation !== undefined);
  operation.action = "shout";
  assert.equal(asyncApiFaults(document).length, 1);
  const text = asyncApiReference().text.replace(/"\$ref": "#\/channels\/[^"]+/, '"$ref": "#/channels/nowhere');
  assert.deepEqual(asyncApiFaults(JSON.parse(text) as object), ["asyncapi: #/channels/nowhere leads nowhere"]);
});

test("docs/reference/asyncapi.json follows the code", () => {
  assert.deepEqual(drifted([asyncApiReference()]), []);
});

test("what is encoded is what the schemas of the topics say, bare and full", () => {
  const bare = {
    message_id: "m",
    content: "x",
    timestamp: 1.5,
    requires_ack: true,
    ack_topic: "delivery/ack/m",
    retry_count: 0,
    checksum: CHECKSUM,
    content_encoding: "utf8",
    content_type: null,
    ordering_key: null,
    attempt_token: null,
    expires_in: null,
    traceparent: null,
    topic: null,
    outbox: null,
    signature: null,
  } as const;
  const full = {
    ...bare,
    content_type: "a/b",
    ordering_key: "k",
    attempt_token: "1",
    expires_in: 2,
    traceparent: "t",
    topic: "t",
    outbox: "o",
    signature: "s",
  };
  for (const envelope of [bare, full]) envelopeSchema.parse(JSON.parse(encodeEnvelope(envelope)));
  const ack = {
    message_id: "m",
    client_id: null,
    status: "processed",
    reason: null,
    retryable: true,
    attempt_token: null,
    topic: null,
    checksum: null,
    signature: null,
  } as const;
  const rejected = {
    ...ack,
    status: "rejected",
    reason: "no",
    client_id: "c",
    attempt_token: "1",
    topic: "t",
    signature: "s",
  } as const;
  for (const one of [ack, rejected]) ackSchema.strict().parse(JSON.parse(encodeAck(one)));
  for (const tutorial of [{}, { client_id: "x" }]) ackSchema.parse(tutorial);
  const presence = { instance: "a", status: "online", filters: ["a/#"], since: 1 } as const;
  presenceSchema.parse(JSON.parse(encodePresence(presence)));
});

test("every error code is one that some route of the publisher is said to give, or belongs to no route", () => {
  const outsideRoutes = ["bad_request", "method_not_allowed"];
  const document = JSON.stringify(openApiOf("publisher", PUBLISHER_DOCS));
  const missing = Object.keys(ERROR_CODES).filter((code) => !document.includes(`\`${code}\`:`));
  assert.deepEqual(missing.sort(), outsideRoutes.sort());
});

test("a route without a description is in the document, and marked", () => {
  const document = openApiDocument({
    title: "t",
    version: "1",
    docs: {},
    routes: [{ method: "GET", path: "/v1/x/:id" }],
  });
  const { paths } = document as { paths: Record<string, Record<string, Record<string, unknown>>> };
  assert.equal(paths["/v1/x/{id}"]?.["get"]?.["x-undocumented"], true);
  assert.deepEqual(statusesOf("GET", "/v1/x/:id", { summary: "", answers: {} }), [401, 403, 421, 429, 500]);
});
