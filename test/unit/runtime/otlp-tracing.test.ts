/** Spans as a collector receives them, and what happens when it is away, slow, or refuses. */
import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { createLogger } from "@acktor/shared/runtime/logger";
import { readOtlpHeaders } from "@acktor/shared/runtime/otlp-headers";
import { startTracing, type Tracing } from "@acktor/shared/runtime/tracing";
import { until } from "../../support/until.ts";

const PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

interface Scene {
  readonly tracing: Tracing;
  readonly bodies: string[];
  readonly headers: IncomingHttpHeaders[];
  readonly log: string[];
  readonly url: string;
}

interface StageOptions {
  readonly credentials?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Where a 307 leads. */
  readonly location?: string;
}

/** A collector that answers with the given statuses, then with 200; null: it does not answer. */
async function stage(t: TestContext, statuses: (number | null)[] = [], options: StageOptions = {}): Promise<Scene> {
  const { credentials = "", location = "" } = options;
  const bodies: string[] = [];
  const headers: IncomingHttpHeaders[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    bodies.push(Buffer.concat(chunks).toString("utf8"));
    headers.push(request.headers);
    const status = statuses.length === 0 ? 200 : statuses.shift();
    if (typeof status === "number") response.writeHead(status, { location }).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const log: string[] = [];
  const logger = createLogger("publisher", "p1", "warn", { write: (line: string) => void log.push(line) });
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://${credentials}127.0.0.1:${port}/`;
  const own = { service: "publisher", instance: "p1", version: "1", endpoint, headers: options.headers ?? null };
  const tracing = await startTracing({ ...own, logger });
  t.after(async () => {
    await tracing.stop();
    server.closeAllConnections();
    server.close();
  });
  return { tracing, bodies, headers, log, url: endpoint };
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

test("SPAN_EXPORTER-4: a collector that takes nothing gets one request per second, however many spans end", async (t) => {
  const { tracing, bodies } = await stage(t, Array<number>(1_000).fill(503));
  for (let i = 0; i < 600; i++) tracing.begin({ name: "send", parent: null }).end();
  await until(() => bodies.length === 1, 5_000, "the first batch");
  const end = performance.now() + 1_500;
  while (performance.now() < end) {
    tracing.begin({ name: "send", parent: null }).end();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(bodies.length <= 4, `${bodies.length} requests in 1.5 s`);
});

test("SPAN_EXPORTER-5: credentials in the endpoint travel as a header, and are not logged", async (t) => {
  const { tracing, headers, log } = await stage(t, [400], { credentials: "me:can%20ary@" });
  tracing.begin({ name: "send", parent: null }).end();
  await tracing.stop();
  assert.equal(headers[0]?.authorization, `Basic ${Buffer.from("me:can ary").toString("base64")}`);
  assert.doesNotMatch(log.join(""), /can.*ary/);
});

test("SPAN_EXPORTER-5: credentials that are not percent-encoded travel as they are", async (t) => {
  const { tracing, headers } = await stage(t, [], { credentials: "me:100%@" });
  tracing.begin({ name: "send", parent: null }).end();
  await tracing.stop();
  assert.equal(headers[0]?.authorization, `Basic ${Buffer.from("me:100%").toString("base64")}`);
});

test("SPAN_EXPORTER-5: configured headers go to the endpoint, and not to where it redirects", async (t) => {
  const headers = { "x-key": "canary", authorization: "Bearer canary" };
  const other = await stage(t);
  const location = other.url;
  const { tracing, headers: got, log } = await stage(t, [307], { credentials: "me:no@", headers, location });
  tracing.begin({ name: "send", parent: null }).end();
  await tracing.stop();
  assert.deepEqual([got[0]?.["x-key"], got[0]?.authorization], ["canary", "Bearer canary"]);
  assert.equal(got[0]?.["content-type"], "application/json");
  assert.equal(other.bodies.length, 0);
  assert.match(log.join(""), /answered 307/);
  assert.doesNotMatch(log.join(""), /canary/);
});

test("the log says why no address of a name could be reached", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const log: string[] = [];
  const logger = createLogger("publisher", "p1", "warn", { write: (line: string) => void log.push(line) });
  const endpoint = `http://localhost:${port}`;
  const own = { service: "publisher", instance: "p1", version: "1", endpoint, headers: null };
  const tracing = await startTracing({ ...own, logger });
  tracing.begin({ name: "send", parent: null }).end();
  await tracing.stop();
  assert.match(log.join(""), /ECONNREFUSED/);
});

test("OTEL_EXPORTER_OTLP_HEADERS: names in lower case, values decoded; a fault shows no value", () => {
  assert.deepEqual(readOtlpHeaders("Authorization=Basic%20YTpi, x-key = a=b ,"), {
    authorization: "Basic YTpi",
    "x-key": "a=b",
  });
  for (const text of ["canary", "=canary", "a b=canary", "x-key=canary%", "x-key=canary%0A", "host=canary"]) {
    const fault = readOtlpHeaders(text);
    assert.ok(typeof fault === "string", text);
    assert.doesNotMatch(fault, /canary/);
  }
});
