/**
 * Web pages against the HTTP server of a publisher and of an acker without a token: what another site's page can make a browser
 * send, and what a page receives whose host name was made to resolve to this address.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { sql, testAcker, testBroker, testPool } from "../support/acker.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { type RawRequest, rawRequest } from "../support/raw-request.ts";

const JSON_TYPE = { "content-type": "application/json" };

async function setScene(t: TestContext, env: Record<string, string> = {}) {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url };
  const publisher = await testPublisher(t, { ...common, ...env });
  const ask = (route: string, request?: RawRequest) => rawRequest(publisher.url, route, request);
  return { publisher, ask, common, pool: testPool(t, database.url), host: new URL(publisher.url).host };
}

/** Every route that changes something, as a page would ask for it. */
const COMMANDS = [
  "/v1/link/disconnect",
  "/v1/breaker/open",
  "/v1/dead-letters/discard",
  "/v1/control/drain",
  "/v1/messages",
  "/v1/messages/batch",
  "/v1/messages/cancel",
  "/v1/principals",
];

// HTTP_GUARD-3
test("a page of another site changes nothing: with or without a body, under any content type", async (t) => {
  const { publisher, ask, host } = await setScene(t);
  const port = new URL(publisher.url).port;
  const pages: [Record<string, string>, number][] = [
    // Headers of current browsers.
    [{ "sec-fetch-site": "cross-site", origin: "http://evil.example" }, 403],
    [{ "sec-fetch-site": "same-site", origin: `http://127.0.0.1:${Number(port) + 1}` }, 403],
    [{ "sec-fetch-site": "cross-site", ...JSON_TYPE }, 403],
    [{ "sec-fetch-site": "same-site", ...JSON_TYPE }, 403],
    // Browsers without Sec-Fetch-Site.
    [{ origin: "http://evil.example", ...JSON_TYPE }, 403],
    [{ origin: "null", ...JSON_TYPE }, 403],
    [{ origin: "", ...JSON_TYPE }, 403],
    [{ origin: "file://", ...JSON_TYPE }, 403],
    [{ origin: `http://127.0.0.1:${Number(port) + 1}`, ...JSON_TYPE }, 403],
    [{ origin: "http://127.0.0.1", ...JSON_TYPE }, 403],
    [{ origin: `https://${host}`, ...JSON_TYPE }, 403],
    [{ origin: `http://localhost:${port}`, ...JSON_TYPE }, 403],
    [{ origin: `http://${host}.evil.example`, ...JSON_TYPE }, 403],
    [{ origin: `http://evil.example@${host}.evil.example`, ...JSON_TYPE }, 403],
    // Browsers that send neither: the content types that a form or a no-cors fetch can declare are refused.
    [{}, 415],
    [{ "content-type": "text/plain" }, 415],
    [{ "content-type": "text/plain;application/json" }, 415],
    [{ "content-type": "application/x-www-form-urlencoded" }, 415],
    [{ "content-type": "multipart/form-data; boundary=x" }, 415],
    [{ "content-type": "application/jsonp" }, 415],
  ];
  for (const route of COMMANDS) {
    for (const [headers, status] of pages) {
      for (const body of [undefined, "{}"]) {
        const answer = await ask(route, { method: "POST", headers, ...(body === undefined ? {} : { body }) });
        assert.equal(answer.status, status, `${route} ${JSON.stringify(headers)} ${body}: ${answer.text}`);
        assert.equal(answer.code, status === 403 ? "cross_site" : "unsupported_media_type");
      }
    }
  }
  const { json } = await publisher.ask("GET", "/v1/status");
  assert.deepEqual(
    [
      (json["connection"] as { state: string; breaker: string }).state,
      (json["connection"] as { breaker: string }).breaker,
    ],
    ["CONNECTED", "CLOSED"],
  );
  assert.equal((json["outbox"] as { accepted: number }).accepted, 0);
  const revoke = await ask("/v1/principals/x", {
    method: "DELETE",
    headers: { origin: "http://evil.example", ...JSON_TYPE },
  });
  assert.equal(revoke.status, 403);
});

test("the console and programs may change things: same origin, no origin, behind a proxy that terminates TLS", async (t) => {
  const { ask, host } = await setScene(t, { ACKTOR_ALLOWED_HOSTS: "acktor.example.com" });
  const callers: Record<string, string>[] = [
    {},
    { origin: `http://${host}`, "sec-fetch-site": "same-origin" },
    { origin: `http://${host}` },
    { "sec-fetch-site": "none" },
    { host: "acktor.example.com", origin: "https://acktor.example.com", "sec-fetch-site": "same-origin" },
    { host: "acktor.example.com", origin: "https://acktor.example.com", "x-forwarded-proto": "https" },
    { host: "Acktor.Example.com:8443", origin: "https://acktor.example.com:8443", "sec-fetch-site": "same-origin" },
  ];
  for (const headers of callers) {
    const answer = await ask("/v1/breaker/open", { method: "POST", headers: { ...JSON_TYPE, ...headers } });
    assert.ok([200, 409].includes(answer.status), `${JSON.stringify(headers)}: ${answer.text}`);
  }
  const empty = await ask("/v1/breaker/close", {
    method: "POST",
    headers: { "content-type": "Application/JSON; charset=utf-8" },
  });
  assert.equal(empty.status, 200, "an empty body is {}");
  const nothing = await ask("/v1/messages", { method: "POST", headers: JSON_TYPE });
  assert.deepEqual(
    [nothing.status, (JSON.parse(nothing.text) as { error: { field: string } }).error.field],
    [400, "topic"],
  );
});

test("no page of another site reads the API, and no preflight is permitted", async (t) => {
  const { publisher, ask } = await setScene(t);
  const id = await publisher.send({ topic: "a", content: "secret" });
  const routes = [
    "/v1/messages",
    `/v1/messages/${id}`,
    "/v1/status",
    "/v1/machines",
    "/v1/audit",
    "/v1/events",
    "/v1/me",
  ];
  for (const route of routes) {
    for (const headers of [{ "sec-fetch-site": "cross-site" }, { origin: "http://evil.example" }]) {
      const answer = await ask(route, { headers });
      assert.deepEqual([answer.status, answer.code], [403, "cross_site"], route);
      assert.doesNotMatch(answer.text, /secret/);
    }
  }
  for (const route of ["/v1/messages", "/v1/link/disconnect", "/", "/v1/nowhere", "/livez"]) {
    const asking = { "access-control-request-method": "POST", "access-control-request-headers": "content-type" };
    for (const origin of ["http://evil.example", publisher.url]) {
      const answer = await ask(route, { method: "OPTIONS", headers: { origin, ...asking } });
      const names = Object.keys(answer.headers).filter((name) => name.startsWith("access-control"));
      assert.deepEqual([answer.status >= 400, names], [true, []], `${route} ${answer.status}`);
    }
  }
  // A link from another site to the console is a navigation and shows the page. The page's data comes from its own requests.
  assert.equal((await ask("/", { headers: { "sec-fetch-site": "cross-site", accept: "text/html" } })).status, 200);
});

test("a name that was made to resolve to this address reads nothing and sends nothing", async (t) => {
  const { publisher, ask, common, pool } = await setScene(t);
  await publisher.send({ topic: "a", content: "secret" });
  const { running } = await testAcker(t, { ...common, ACKTOR_TOPICS: "a" });
  const port = new URL(publisher.url).port;
  const names = [
    "evil.example",
    `evil.example:${port}`,
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "1.evil.example",
    "a.localhost",
    "0x7f.1",
    "127.1",
    "2130706433",
    "[::1",
    "evil.example:80:80",
    "evil example",
    "127.0.0.1@evil.example",
    "[evil.example]",
  ];
  for (const host of names) {
    for (const route of [
      "/",
      "/assets/x.js",
      "/openapi.json",
      "/v1/messages",
      "/v1/status",
      "/v1/me",
      "/v1/nowhere",
      "/nowhere",
    ]) {
      const answer = await ask(route, { headers: { host } });
      assert.deepEqual([answer.status, answer.code], [421, "host_not_allowed"], `${host} ${route} ${answer.text}`);
      assert.doesNotMatch(answer.text, /secret/);
    }
    // The page is its own origin: only the host name reveals the attack.
    const headers = { host, origin: `http://${host}`, "sec-fetch-site": "same-origin", ...JSON_TYPE };
    const sent = await ask("/v1/messages", { method: "POST", headers, body: '{"topic":"a","content":"forged"}' });
    assert.equal(sent.status, 421, host);
    assert.match(sent.text, /ACKTOR_ALLOWED_HOSTS/);
    for (const route of ["/v1/status", "/v1/machines", "/openapi.json"]) {
      assert.equal((await rawRequest(running.url, route, { headers: { host } })).status, 421, `acker ${route}`);
    }
    // Health probes may use any host name.
    for (const url of [publisher.url, running.url]) {
      for (const route of ["/livez", "/readyz", "/metrics", "/version"]) {
        assert.equal((await rawRequest(url, route, { headers: { host } })).status, 200, `${route} as ${host}`);
      }
    }
  }
  const rows = await sql(pool, "select payload from publisher.message_delivery");
  assert.deepEqual(rows, [{ payload: "secret" }]);
});

test("loopback names, addresses, HTTP_HOST and ACKTOR_ALLOWED_HOSTS are allowed", async (t) => {
  const { ask } = await setScene(t, { ACKTOR_ALLOWED_HOSTS: "acktor.example.com, publisher" });
  const names = [
    "localhost",
    "LOCALHOST:1",
    "localhost.",
    "127.0.0.1",
    "127.9.9.9:80",
    "[::1]",
    "[::1]:8080",
    "192.0.2.7",
    "[2001:db8::1]:80",
    "publisher",
    "publisher:8080",
    "ACKTOR.example.com",
    "acktor.example.com.:443",
  ];
  for (const host of names) assert.equal((await ask("/v1/me", { headers: { host } })).status, 200, host);
  assert.equal((await ask("/v1/me", { headers: { host: "other.example.com" } })).status, 421);
});
