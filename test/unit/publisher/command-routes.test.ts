/** Operators' commands over HTTP: the target, the sender, and the response for each answer of an instance. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { addCommandRoutes } from "@acktor/publisher/http/command-routes";
import { Refusals } from "@acktor/publisher/http/refusals";
import { PrincipalBook } from "@acktor/publisher/principals/principal-book";
import { PrincipalGate } from "@acktor/publisher/principals/principal-gate";
import { RequestRates } from "@acktor/publisher/principals/request-rates";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import type { AuditRecord } from "@acktor/shared/inspect/command-desk";
import type { CommandOutcome } from "@acktor/shared/inspect/run-command";
import type { Command } from "@acktor/shared/inspect/wire";
import { createHttp } from "@acktor/shared/runtime/http-server";
import { Registry } from "prom-client";
import { cleanUp } from "../../support/cleanup.ts";
import { testInstance } from "../../support/control.ts";
import { AWAY } from "../../support/db-results.ts";
import { keptLogger } from "../../support/kept-logger.ts";
import { until } from "../../support/until.ts";

function service(t: TestContext, execute?: () => Promise<CommandOutcome>, token: string | null = null) {
  const bus = new LocalBus();
  const options = execute === undefined ? {} : { execute };
  const own = testInstance(bus, "own", options);
  const other = testInstance(bus, "a.1", { ...options, service: "acker" });
  for (const instance of [own, other]) cleanUp(t, () => instance.stop());
  const records: AuditRecord[] = [];
  const audit = { record: async (one: AuditRecord): Promise<void> => void records.push(one) };
  const refusals = new Refusals(audit, "own");
  const book = new PrincipalBook({ source: { read: async () => ({ ok: true, value: [] }) }, clock: { now: () => 0 } });
  const app = createHttp({
    service: "publisher",
    version: "1",
    token,
    logger: keptLogger().logger,
    registry: new Registry(),
    health: { readiness: () => ({ ready: true, status: "ok", checks: {} }) },
    gate: new PrincipalGate({ book, rates: new RequestRates({ now: () => 0 }, 10), token }),
    refusals,
  });
  const pool = { run: async () => AWAY, size: 1, busy: () => 0, waiting: () => 0, stop: async () => undefined };
  app.post("/v1/messages", async () => ({}));
  addCommandRoutes(app, { pool, commands: own.commands, instance: "own", audit });
  cleanUp(t, () => app.close());
  const post = async (url: string, body: object | undefined = undefined, headers: Record<string, string> = {}) => {
    const response = await app.inject({
      method: "POST",
      url,
      headers,
      payload: body ?? {},
    });
    const json = response.json<
      Record<string, unknown> & { error?: { code: string; field?: string; message: string } }
    >();
    return { status: response.statusCode, json, error: json.error };
  };
  return { app, post, own, other, records };
}

const ROUTES: Readonly<Record<string, Command>> = {
  "/v1/link/connect": "connect",
  "/v1/link/disconnect": "disconnect",
  "/v1/link/reset": "reset",
  "/v1/breaker/open": "breaker.open",
  "/v1/breaker/close": "breaker.close",
  "/v1/control/pause": "pause",
  "/v1/control/resume": "resume",
  "/v1/control/drain": "drain",
};

for (const [route, command] of Object.entries(ROUTES)) {
  test(`POST ${route} is ${command}, for this process when no other instance is named`, async (t) => {
    const { post, own, other } = service(t);
    const { status, json } = await post(route);
    assert.deepEqual([status, json], [200, { done: command }]);
    assert.deepEqual([own.obeyed, other.obeyed], [[command], []]);
  });
}

test("a command goes to the named service and instance, dots included; `all` reaches each", async (t) => {
  const { post, own, other } = service(t);
  assert.equal((await post("/v1/control/pause?service=acker&instance=a.1")).status, 200);
  assert.deepEqual([own.obeyed, other.obeyed], [[], ["pause"]]);
  assert.equal((await post("/v1/control/pause?instance=own")).status, 200);
  await until(() => own.fleet.count("acker") === 1, 1_000);
  const all = await post("/v1/control/resume?service=acker&instance=all");
  assert.deepEqual(all.json, {
    replies: [{ service: "acker", instance: "a.1", ok: true, result: { done: "resume" } }],
  });
  assert.deepEqual([own.obeyed, other.obeyed], [["pause"], ["pause", "resume"]]);
});

test("the principal is who asked; the header's or body's claim is kept as a claim", async (t) => {
  const { post, own } = service(t);
  await post("/v1/control/pause");
  await post("/v1/control/pause", { who: "ana" });
  await post("/v1/control/pause", { who: "ana" }, { "x-acktor-user": "ben" });
  assert.deepEqual(
    own.records.map(({ who, said, from }) => `${who} ${said} ${from}`),
    ["local null 127.0.0.1", "local ana 127.0.0.1", "local ben 127.0.0.1"],
  );
});

const BAD: readonly (readonly [
  url: string,
  body: object | undefined,
  headers: Record<string, string>,
  field: string,
])[] = [
  ["/v1/control/drain?service=acker", undefined, {}, "instance"],
  ["/v1/control/drain?service=broker&instance=x", undefined, {}, "service"],
  ["/v1/control/drain?instance=", undefined, {}, "instance"],
  ["/v1/control/drain?instance=a&instance=b", undefined, {}, "instance"],
  ["/v1/control/drain?force=1", undefined, {}, "force"],
  ["/v1/control/drain", { who: "a\u0000" }, {}, "who"],
  ["/v1/control/drain", { now: true }, {}, "now"],
  ["/v1/control/drain", undefined, { "x-acktor-user": "x".repeat(300) }, "X-Acktor-User"],
];
for (const [url, body, headers, field] of BAD) {
  test(`${url} ${JSON.stringify(body ?? null)} is 400 for ${field}, and no instance receives a command`, async (t) => {
    const { post, own, other } = service(t);
    const { status, error } = await post(url, body, headers);
    assert.deepEqual([status, error?.field], [400, field]);
    assert.deepEqual([own.obeyed, other.obeyed], [[], []]);
  });
}

test("what the state does not allow is 409 with its reason", async (t) => {
  const reason = "reset is not possible: the link is CONNECTED";
  const { post } = service(t, async () => ({ ok: false, code: 409, reason }));
  const { status, error } = await post("/v1/link/reset");
  assert.deepEqual([status, error?.code, error?.message], [409, "conflict", reason]);
});

test("an absent instance is 504, and is recorded in the audit", async (t) => {
  const { post, records, own, other } = service(t);
  await other.stop();
  await until(() => own.fleet.count("acker") === 0, 1_000);
  const { status, error } = await post("/v1/control/pause?service=acker&instance=absent");
  assert.deepEqual([status, error?.code], [504, "no_answer"]);
  assert.deepEqual([records[0]?.outcome, records[0]?.instance], ["unanswered", "absent"]);
  assert.equal((await post("/v1/control/pause?service=acker&instance=all")).status, 504);
});

test("a refused token is recorded in the audit for a command, and not for other routes", async (t) => {
  const { app, post, own, records } = service(t, undefined, "right-token-16-letters");
  assert.equal((await post("/v1/breaker/open")).status, 401);
  assert.equal((await app.inject("/v1/audit")).statusCode, 401);
  for (const url of ["/v1/messages", "/v1/nowhere"]) assert.equal((await post(url)).status, 401);
  assert.deepEqual(own.obeyed, []);
  assert.deepEqual(
    records.map(({ action, outcome, from }) => [action, outcome, from]),
    [["breaker.open", "unauthorized", "127.0.0.1"]],
  );
});

test("the audit is 503 without the database, and asks for a sensible limit", async (t) => {
  const { app } = service(t);
  assert.equal((await app.inject("/v1/audit")).statusCode, 503);
  for (const limit of ["0", "1001", "many"]) {
    assert.equal((await app.inject(`/v1/audit?limit=${limit}`)).statusCode, 400);
  }
});
