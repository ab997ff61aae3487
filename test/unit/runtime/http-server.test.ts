import assert from "node:assert/strict";
import net from "node:net";
import { type TestContext, test } from "node:test";
import { ERROR_CODES, errorBody, sendFault } from "@acktor/shared/runtime/api-error";
import { BATCH_BODY, IDS_BODY, MESSAGE_BODY, SMALL_BODY } from "@acktor/shared/runtime/body-limits";
import { addressOf, createHttp, type HttpOptions, type Readiness } from "@acktor/shared/runtime/http-server";
import { createLogger } from "@acktor/shared/runtime/logger";
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from "fastify";
import { Registry } from "prom-client";
import { leastCpuMs } from "../../support/cpu.ts";
import { until } from "../../support/until.ts";

const TOKEN = "a token of more than sixteen";
const READY: Readiness = { ready: true, status: "ok", checks: { postgres: "ok" } };

function server(t: TestContext, over: Partial<HttpOptions> = {}): { app: FastifyInstance; lines: string[] } {
  const lines: string[] = [];
  const app = createHttp({
    service: "publisher",
    version: "1.2.3",
    token: null,
    logger: createLogger("publisher", "one", "debug", { write: (line: string) => void lines.push(line) }),
    registry: new Registry(),
    health: { readiness: () => READY },
    ...over,
  });
  app.post("/v1/echo", async (request) => ({ body: request.body ?? null, keys: Object.keys(request.body ?? {}) }));
  app.get("/v1/items/:id", async () => ({ item: 1 }));
  app.get("/v1/fails", async () => {
    throw new Error("a secret of the inside");
  });
  t.after(() => app.close());
  return { app, lines };
}

/** Asserts the one form of errors. */
function assertFault(response: LightMyRequestResponse, status: number, code: string): void {
  assert.equal(response.statusCode, status, response.body);
  const body = response.json<Record<string, Record<string, unknown>>>();
  assert.deepEqual(Object.keys(body), ["error"]);
  assert.equal(body["error"]?.["code"], code);
  for (const field of ["message", "fix"]) assert.match(String(body["error"]?.[field]), /\S/);
}

const JSON_TYPE = { "content-type": "application/json" };
const FAULTS: readonly (readonly [what: string, request: InjectOptions, status: number, code: string])[] = [
  ["an unknown path", { url: "/nowhere" }, 404, "not_found"],
  ["an unknown path under /v1", { method: "POST", url: "/v1/nowhere?a=1", payload: {} }, 404, "not_found"],
  ["a wrong method", { method: "DELETE", url: "/v1/items/7?a=1" }, 405, "method_not_allowed"],
  ["a path whose encoding is broken", { url: "/v1/items/%zz" }, 400, "bad_request"],
  ["a parameter beyond measure", { url: `/v1/items/${"a".repeat(201)}` }, 400, "bad_request"],
  ["malformed JSON", { method: "POST", url: "/v1/echo", payload: "{", headers: JSON_TYPE }, 400, "invalid_json"],
  [
    "JSON that is not UTF-8",
    { method: "POST", url: "/v1/echo", payload: Buffer.from([0x22, 0xff, 0x22]), headers: JSON_TYPE },
    400,
    "invalid_json",
  ],
  [
    "another media type",
    { method: "POST", url: "/v1/echo", payload: "<a/>", headers: { "content-type": "text/xml" } },
    415,
    "unsupported_media_type",
  ],
  [
    "plain text",
    { method: "POST", url: "/v1/echo", payload: "{}", headers: { "content-type": "text/plain" } },
    415,
    "unsupported_media_type",
  ],
  [
    "a body beyond 64 KiB",
    { method: "POST", url: "/v1/echo", payload: `"${"a".repeat(SMALL_BODY.maxBytes)}"`, headers: JSON_TYPE },
    413,
    "too_large",
  ],
  [
    "a body beyond 64 KiB for no route",
    { method: "POST", url: "/v1/nowhere", payload: `"${"a".repeat(SMALL_BODY.maxBytes)}"`, headers: JSON_TYPE },
    413,
    "too_large",
  ],
  [
    "a body that is nested too deep",
    { method: "POST", url: "/v1/echo", payload: `${"[".repeat(17)}${"]".repeat(17)}`, headers: JSON_TYPE },
    400,
    "too_complex",
  ],
  [
    "a body of too many values",
    { method: "POST", url: "/v1/echo", payload: `[${"1,".repeat(1_000)}1]`, headers: JSON_TYPE },
    400,
    "too_complex",
  ],
  ["an error inside", { url: "/v1/fails" }, 500, "internal"],
];
for (const [what, request, status, code] of FAULTS) {
  test(`${what}: ${status} ${code}, in our form`, async (t) => {
    const { app } = server(t);
    assertFault(await app.inject(request), status, code);
  });
}

test("a client that sends too much receives the reason, and is not disconnected while it sends", async (t) => {
  const { app } = server(t);
  await app.listen({ host: "127.0.0.1", port: 0 });
  const body = `"${"a".repeat(12 * 1024 * 1024)}"`;
  const ways: readonly (RequestInit & { readonly duplex?: "half" })[] = [
    { body },
    { body: new Blob([body]).stream(), duplex: "half" },
  ];
  for (const way of ways) {
    // The answer was lost in 6 of 40 trials.
    for (let trial = 0; trial < 20; trial++) {
      const response = await fetch(`${addressOf(app)}/v1/echo`, { method: "POST", headers: JSON_TYPE, ...way });
      assert.equal(response.status, 413);
      assert.equal(((await response.json()) as { error: { code: string } }).error.code, "too_large");
      if (way.duplex !== undefined) break;
    }
  }
});

test("BODY-1: each route has its limits, and the answer names the limit and the remedy", async (t) => {
  const { app } = server(t);
  const routes = Object.entries({ IDS_BODY, MESSAGE_BODY, BATCH_BODY });
  for (const [name, body] of routes) {
    app.post(`/v1/${name}`, { config: { body } }, async (request) => ({ read: JSON.stringify(request.body).length }));
  }
  for (const [name, body] of routes) {
    const send = (payload: string) => app.inject({ method: "POST", url: `/v1/${name}`, payload, headers: JSON_TYPE });
    assert.equal((await send(`"${"a".repeat(body.maxBytes - 2)}"`)).statusCode, 200);
    const large = await send(`"${"a".repeat(body.maxBytes)}"`);
    assertFault(large, 413, "too_large");
    const { message, fix } = large.json<{ error: { message: string; fix: string } }>().error;
    assert.deepEqual([message, fix], [`the body is larger than ${body.maxBytes} bytes`, body.remedy]);
    const many = await send(`[${"1,".repeat(body.maxValues)}1]`);
    assert.match(many.body, new RegExp(`more than ${body.maxValues} values`));
    const deep = "[".repeat(body.maxBytes);
    const cpuMs = await leastCpuMs(async () => assertFault(await send(deep), 400, "too_complex"));
    assert.ok(cpuMs < 50, `${cpuMs} ms of CPU`);
  }
});

test("BODY-1: without the token a body is neither measured nor parsed", async (t) => {
  const { app } = server(t, { token: TOKEN });
  for (const payload of ["[".repeat(60_000), "{", `"${"a".repeat(1_000_000)}"`]) {
    assertFault(
      await app.inject({ method: "POST", url: "/v1/echo", payload, headers: JSON_TYPE }),
      401,
      "unauthorized",
    );
  }
});

test("an answer repeats only a small part of the request", async (t) => {
  const { app } = server(t);
  const long = "%25".repeat(4_000);
  for (const url of [`/${long}`, `/v1/items/${long}`, `/%zz${long}`, `/v1/items/1?${long}`]) {
    assert.ok((await app.inject({ url })).body.length < 1_000, url.slice(0, 40));
  }
});

test("metrics are rendered once for all concurrent requests", async (t) => {
  let made = 0;
  const registry = new Registry();
  registry.metrics = async () => `# ${++made}\n`;
  const { app } = server(t, { registry });
  const answers = await Promise.all(Array.from({ length: 50 }, () => app.inject("/metrics")));
  assert.deepEqual([...new Set(answers.map(({ statusCode }) => statusCode))], [200]);
  assert.ok(made < 50, `made ${made} times`);
  await until(async () => (await app.inject("/metrics")).body !== answers[0]?.body, 2_000, "newer metrics");
});

test("a repeated failure is logged once a second", async (t) => {
  const { app, lines } = server(t);
  for (let n = 0; n < 50; n++) await app.inject("/v1/fails");
  assert.ok(lines.length < 5, `${lines.length} lines`);
});

test("HTTP-1: an internal error is logged, and the answer reveals nothing about it", async (t) => {
  const { app, lines } = server(t);
  const response = await app.inject("/v1/fails");
  assert.ok(!response.body.includes("secret"));
  assert.match(lines.join(), /a secret of the inside/);
});

test("a wrong method is answered with the allowed ones", async (t) => {
  const { app } = server(t);
  const response = await app.inject({ method: "PUT", url: "/v1/items/7" });
  assert.deepEqual(String(response.headers["allow"]).split(", ").sort(), ["GET", "HEAD"]);
});

test("__proto__ is a key like any other, and an empty body is an empty object", async (t) => {
  const { app } = server(t);
  const send = (payload: string) => app.inject({ method: "POST", url: "/v1/echo", payload, headers: JSON_TYPE });
  assert.deepEqual((await send('{"__proto__":{"a":1}}')).json<{ keys: string[] }>().keys, ["__proto__"]);
  assert.deepEqual((await send("")).json<{ body: unknown }>().body, {});
});

test("HTTP_GUARD-2: with a token every /v1 route requires it, and no other route does", async (t) => {
  const { app } = server(t, { token: TOKEN });
  const withHeader = (authorization?: string): InjectOptions => {
    return { url: "/v1/items/1", headers: authorization === undefined ? {} : { authorization } };
  };
  for (const wrong of [undefined, "", "Bearer", `Bearer ${TOKEN}x`, TOKEN, `bearer ${TOKEN}`, `Bearer  ${TOKEN}`]) {
    const response = await app.inject(withHeader(wrong));
    assertFault(response, 401, "unauthorized");
    assert.equal(response.headers["www-authenticate"], "Bearer");
  }
  assert.equal((await app.inject(withHeader(`Bearer ${TOKEN}`))).statusCode, 200);
  for (const url of ["/livez", "/readyz", "/version", "/metrics"])
    assert.equal((await app.inject(url)).statusCode, 200);
  assertFault(await app.inject("/v1/nowhere"), 401, "unauthorized");
});

/** What a socket gets for what it sends. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      answer += chunk;
    });
    socket.on("close", () => resolve(answer)).on("error", reject);
  });
}

async function listen(app: FastifyInstance): Promise<number> {
  await app.listen({ host: "127.0.0.1", port: 0 });
  return Number(new URL(addressOf(app)).port);
}

test("HTTP_GUARD-2: no spelling of a path bypasses the token", async (t) => {
  const { app } = server(t, { token: TOKEN });
  const port = await listen(app);
  for (const target of ["/v1/items/1", "/%761/items/1", "/%76%31/items/1", "http://elsewhere/v1/items/1"]) {
    const answer = await exchange(port, `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 401 /, target);
  }
});

test("HTTP-1: invalid HTTP is answered in the same form", async (t) => {
  const { app } = server(t);
  const port = await listen(app);
  for (const bytes of ["GARBAGE\r\n\r\n", `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(20_000)}\r\n\r\n`]) {
    const [head = "", body = ""] = (await exchange(port, bytes)).split("\r\n\r\n");
    assert.match(head, /^HTTP\/1\.1 400 /);
    assert.equal((JSON.parse(body) as { error: { code: string } }).error.code, "bad_request");
  }
});

test("a request that arrives while the server closes is answered by its route", async (t) => {
  const { app } = server(t);
  const closing = new Promise<void>((resolve) => {
    app.addHook("preClose", async () => resolve());
  });
  const port = await listen(app);
  const socket = net.connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  let answers = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    answers += chunk;
  });
  const ended = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  // One request, and the beginning of the next: such a connection is not idle.
  socket.write("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/items/1 HTTP/1.1\r\nHost: localhost\r\n");
  await until(() => answers.includes('"ok"'), 5_000, "the first answer");
  const closed = app.close();
  await closing;
  socket.write("\r\n");
  await ended;
  assert.match(answers, /200 OK[\s\S]*"item":1/);
  await closed;
});

test("readyz names the failing dependency, and answers 503 when it is the database", async (t) => {
  let readiness = READY;
  const { app } = server(t, { health: { readiness: () => readiness } });
  assert.deepEqual((await app.inject("/readyz")).json(), { status: "ok" });
  assert.deepEqual((await app.inject("/readyz?verbose")).json(), { status: "ok", checks: { postgres: "ok" } });
  readiness = { ready: true, status: "degraded", checks: { broker: "RECONNECTING" } };
  const degraded = await app.inject("/readyz");
  assert.equal(degraded.statusCode, 200);
  assert.deepEqual(degraded.json(), { status: "degraded", checks: { broker: "RECONNECTING" } });
  readiness = { ready: false, status: "unavailable", checks: {} };
  assert.equal((await app.inject("/readyz")).statusCode, 503);
  assert.equal((await app.inject("/livez")).statusCode, 200);
});

test("version and metrics", async (t) => {
  const { app } = server(t);
  assert.deepEqual((await app.inject("/version")).json(), {
    service: "publisher",
    version: "1.2.3",
    node: process.version,
  });
  assert.match(String((await app.inject("/metrics")).headers["content-type"]), /text\/plain/);
});

test("a fault has the status of its code, its own fix if it has one, and Retry-After", async (t) => {
  const { app } = server(t);
  app.get("/full", async (_request, reply) => {
    return sendFault(reply, { code: "high_water", message: "full", retryAfterSeconds: 5 });
  });
  const response = await app.inject("/full");
  assertFault(response, 429, "high_water");
  assert.equal(response.headers["retry-after"], "5");
  assert.deepEqual(errorBody({ code: "conflict", message: "m", field: "f", fix: "x" }), {
    error: { code: "conflict", message: "m", field: "f", fix: "x" },
  });
  assert.equal(errorBody({ code: "conflict", message: "m" }).error.fix, ERROR_CODES.conflict.fix);
  assert.ok(!("field" in errorBody({ code: "conflict", message: "m" }).error));
});

test("a stop does not wait for a connection without a request", async (t) => {
  const { app } = server(t);
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { hostname, port } = new URL(addressOf(app));
  const spare = net.connect({ host: hostname, port: Number(port) });
  t.after(() => spare.destroy());
  spare.on("error", () => undefined);
  await fetch(`${addressOf(app)}/livez`);
  const startedAt = performance.now();
  await app.close();
  assert.ok(performance.now() - startedAt < 2_000, `${performance.now() - startedAt} ms`);
});

test("each refusal of the guard is reported, with its route and its fault; nothing else is", async (t) => {
  const refused: string[] = [];
  const refusals: HttpOptions["refusals"] = {
    note: ({ method, routeOptions }, { code }) => refused.push(`${method} ${routeOptions.url} ${code}`),
  };
  const { app } = server(t, { token: TOKEN, refusals });
  await app.inject({ method: "GET", url: "/v1/items/7" });
  await app.inject({ method: "POST", url: "/v1/echo", headers: { authorization: "Bearer wrong" } });
  await app.inject({ method: "GET", url: "/v1/items/7", headers: { authorization: `Bearer ${TOKEN}` } });
  await app.inject("/livez");
  assert.deepEqual(refused, ["GET /v1/items/:id unauthorized", "POST /v1/echo unauthorized"]);
});
