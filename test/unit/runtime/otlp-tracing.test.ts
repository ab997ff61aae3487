/** Spans as a collector receives them, and what happens when it is away, slow, or refuses. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { createLogger } from "@acktor/shared/runtime/logger";
import { startTracing, type Tracing } from "@acktor/shared/runtime/tracing";
import { until } from "../../support/until.ts";

const PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

interface Scene {
  readonly tracing: Tracing;
  readonly bodies: string[];
  readonly headers: (string | undefined)[];
  readonly log: string[];
}

/** A collector that answers with the given statuses, then with 200; null: it does not answer. */
async function stage(t: TestContext, statuses: (number | null)[] = [], credentials = ""): Promise<Scene> {
  const bodies: string[] = [];
  const headers: (string | undefined)[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    bodies.push(Buffer.concat(chunks).toString("utf8"));
    headers.push(request.headers.authorization);
    const status = statuses.length === 0 ? 200 : statuses.shift();
    if (typeof status === "number") response.writeHead(status).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const log: string[] = [];
  const logger = createLogger("publisher", "p1", "warn", { write: (line: string) => void log.push(line) });
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://${credentials}127.0.0.1:${port}/`;
  const tracing = await startTracing({ service: "publisher", instance: "p1", version: "1", endpoint, logger });
  t.after(async () => {
    await tracing.stop();
    server.closeAllConnections();
    server.close();
  });
  return { tracing, bodies, headers, log };
}

const count = (bodies: readonly string[]): number => bodies.join("").split('"spanId"').length - 1;

test("OTLP_SPANS-1: below a parent that is not sampled nothing is sent, and the decision is passed on", async (t) => {
  const { tracing, bodies } = await stage(t);
  const silent = tracing.begin({ name: "send", parent: `${PARENT}-00` });
  const spoken = tracing.begin({ name: "send", parent: `${PARENT}-01` });
  const root = tracing.begin({ name: "send", parent: null });
  assert.match(silent.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/);
  assert.match(spoken.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  assert.match(root.traceparent, /-01$/);
  for (const span of [silent, spoken, root, root]) span.end();
  await tracing.stop();
  assert.equal(count(bodies), 2);
});

test("SPAN_EXPORTER-2: what the collector did not take is sent again, what it refused is not", async (t) => {
  const { tracing, bodies, log } = await stage(t, [503, 400]);
  tracing.begin({ name: "send", parent: null }).end();
  await until(() => bodies.length === 2, 5_000, "the second attempt");
  assert.equal(bodies[0], bodies[1]);
  tracing.begin({ name: "create", parent: null }).end();
  await until(() => bodies.length === 3, 5_000, "the next span");
  assert.ok(!bodies[2]?.includes('"send"'));
  assert.equal(log.length, 1, "one line a minute");
});

test("SPAN_EXPORTER-1: of 20,000 spans of one moment, 8,192 wait while a batch of 512 is sent", async (t) => {
  const { tracing, bodies } = await stage(t);
  for (let i = 0; i < 20_000; i++) tracing.begin({ name: "send", parent: null }).end();
  await until(() => count(bodies) >= 8_704, 5_000, "what waited");
  await tracing.stop();
  assert.equal(count(bodies), 8_704);
});

test("SPAN_EXPORTER-3: a stop does not wait for a collector that does not answer", async (t) => {
  const { tracing, bodies } = await stage(t, [null]);
  tracing.begin({ name: "send", parent: null }).end();
  await until(() => bodies.length === 1, 5_000, "the batch");
  let stopped = false;
  void tracing.stop().then(() => {
    stopped = true;
  });
  // The timeout of the request itself is later.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  assert.ok(stopped);
});

test("credentials in the endpoint travel as a header, and are not logged", async (t) => {
  const { tracing, headers, log } = await stage(t, [400], "me:can%20ary@");
  tracing.begin({ name: "send", parent: null }).end();
  await tracing.stop();
  assert.deepEqual(headers, [`Basic ${Buffer.from("me:can ary").toString("base64")}`]);
  assert.doesNotMatch(log.join(""), /can.*ary/);
});
