/** The console's files as they are served: hardened, cached, and nothing else. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { addConsoleRoutes } from "@acktor/publisher/http/console-routes";
import { createHttp } from "@acktor/shared/runtime/http-server";
import { createLogger } from "@acktor/shared/runtime/logger";
import type { FastifyInstance } from "fastify";
import { Registry } from "prom-client";

const INDEX = { service: "acktor publisher" };
const BROWSER = { accept: "text/html,application/xhtml+xml" };

function rig(t: TestContext, files: Readonly<Record<string, string>>, token: string | null = null): FastifyInstance {
  const folder = mkdtempSync(path.join(tmpdir(), "acktor-console-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  const health = { readiness: () => ({ ready: true, status: "ok", checks: {} }) as const };
  const logger = createLogger("publisher", "one", "silent");
  const app = createHttp({ service: "p", version: "0", token, logger, registry: new Registry(), health });
  addConsoleRoutes(app, INDEX, folder);
  t.after(() => app.close());
  return app;
}

const BUILT = { "index.html": "<!doctype html>", "app-1.js": "let a = 1", "app-1.css": "a{}", "notes.txt": "secret" };

test("browsers get the page, programs the index; both may be cached apart", async (t) => {
  const app = rig(t, BUILT, "a token of sixteen");
  const page = await app.inject({ url: "/", headers: BROWSER });
  assert.deepEqual([page.statusCode, page.body, page.headers["cache-control"]], [200, "<!doctype html>", "no-cache"]);
  assert.match(String(page.headers["vary"]), /Accept/);
  for (const accept of ["application/json", "*/*"]) {
    assert.deepEqual((await app.inject({ url: "/", headers: { accept } })).json(), INDEX);
  }
});

// CONSOLE_FILES-2
test("the page may run and ask for nothing but our own", async (t) => {
  const { headers } = await rig(t, BUILT).inject({ url: "/", headers: BROWSER });
  assert.equal(
    headers["content-security-policy"],
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(headers["referrer-policy"], "no-referrer");
  assert.equal(headers["x-frame-options"], "DENY");
  assert.equal(headers["cross-origin-opener-policy"], "same-origin");
});

// CONSOLE_FILES-3
test("assets never change: cached for a year, 304 for who has them, gzip for who takes it", async (t) => {
  const app = rig(t, BUILT);
  const plain = await app.inject({ url: "/assets/app-1.js" });
  assert.match(String(plain.headers["cache-control"]), /max-age=31536000, immutable/);
  assert.match(String(plain.headers["content-type"]), /text\/javascript/);
  const etag = String(plain.headers["etag"]);
  const again = await app.inject({ url: "/assets/app-1.js", headers: { "if-none-match": `W/"x", ${etag}` } });
  assert.deepEqual([again.statusCode, again.body], [304, ""]);
  const zipped = await app.inject({ url: "/assets/app-1.js", headers: { "accept-encoding": "gzip, br" } });
  assert.equal(zipped.headers["content-encoding"], "gzip");
  assert.equal(gunzipSync(zipped.rawPayload).toString(), "let a = 1");
});

// CONSOLE_FILES-1
test("nothing but what was built, by no way of spelling it", async (t) => {
  const app = rig(t, BUILT);
  for (const url of [
    "/assets/notes.txt",
    "/assets/index.html",
    "/assets/..%2f..%2fpackage.json",
    "/assets/constructor",
  ]) {
    const { statusCode, body } = await app.inject({ url });
    assert.equal(statusCode, 404, url);
    assert.equal(JSON.parse(body).error.code, "not_found");
  }
});

test("without a built console every client receives the index", async (t) => {
  assert.deepEqual((await rig(t, {}).inject({ url: "/", headers: BROWSER })).json(), INDEX);
});
