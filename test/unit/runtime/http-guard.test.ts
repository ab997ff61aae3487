/** What stands before the routes: the limit for each address, the headers for browsers, in which order. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createHttp, type HttpOptions } from "@acktor/shared/runtime/http-server";
import { requestsPerSecond } from "@acktor/shared/runtime/settings";
import type { FastifyInstance } from "fastify";
import { Registry } from "prom-client";
import { keptLogger } from "../../support/kept-logger.ts";

function server(t: TestContext, over: Partial<HttpOptions>): FastifyInstance {
  const app = createHttp({
    service: "publisher",
    version: "1",
    token: null,
    logger: keptLogger().logger,
    registry: new Registry(),
    health: { readiness: () => ({ ready: true, status: "ok", checks: {} }) },
    ...over,
  });
  app.get("/v1/status", async () => ({ here: true }));
  app.get("/page", async (_request, reply) => reply.header("content-security-policy", "default-src 'self'").send("x"));
  t.after(() => app.close());
  return app;
}

async function statuses(app: FastifyInstance, count: number, url: string, address: string): Promise<number[]> {
  const all: number[] = [];
  for (let i = 0; i < count; i++) all.push((await app.inject({ url, remoteAddress: address })).statusCode);
  return all;
}

test("HTTP_GUARD-1: one address is limited, another one is not, and health routes never are", async (t) => {
  const app = server(t, { requestsPerSecond: 3 });
  assert.deepEqual(await statuses(app, 5, "/v1/status", "10.0.0.1"), [200, 200, 200, 429, 429]);
  assert.deepEqual(await statuses(app, 1, "/v1/status", "10.0.0.2"), [200]);
  for (const url of ["/livez", "/readyz", "/metrics", "/version"]) {
    assert.deepEqual(await statuses(app, 5, url, "10.0.0.1"), [200, 200, 200, 200, 200], url);
  }
  const refused = await app.inject({ url: "/v1/status", remoteAddress: "10.0.0.1" });
  assert.equal(refused.json<{ error: { code: string } }>().error.code, "rate_limited");
  assert.equal(refused.headers["retry-after"], "1");
});

test("wrong tokens are counted too, so that guessing is slow", async (t) => {
  const app = server(t, { token: "a token of more than sixteen", requestsPerSecond: 2 });
  assert.deepEqual(await statuses(app, 4, "/v1/status", "10.0.0.1"), [401, 401, 429, 429]);
});

test("requests to unknown paths are limited as well", async (t) => {
  const app = server(t, { requestsPerSecond: 2 });
  assert.deepEqual(await statuses(app, 3, "/v1/nowhere", "10.0.0.1"), [404, 404, 429]);
});

test("without a limit no request is limited", async (t) => {
  const app = server(t, {});
  assert.deepEqual(new Set(await statuses(app, 50, "/v1/status", "10.0.0.1")), new Set([200]));
});

test("every answer carries the headers for browsers, refusals too; a route's own policy is kept", async (t) => {
  const app = server(t, { token: "a token of more than sixteen" });
  for (const url of ["/livez", "/v1/status", "/nowhere"]) {
    const { headers } = await app.inject(url);
    assert.equal(
      headers["content-security-policy"],
      "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'",
      url,
    );
    assert.deepEqual(
      [headers["x-content-type-options"], headers["x-frame-options"], headers["x-powered-by"]],
      ["nosniff", "DENY", undefined],
      url,
    );
  }
  assert.equal((await app.inject("/page")).headers["content-security-policy"], "default-src 'self'");
});

test("the default limit depends on the address of the server", () => {
  assert.equal(requestsPerSecond("127.0.0.1", null), null);
  assert.equal(requestsPerSecond("0.0.0.0", null), 1_000);
  assert.equal(requestsPerSecond("0.0.0.0", 0), null);
  assert.equal(requestsPerSecond("127.0.0.1", 5), 5);
});
