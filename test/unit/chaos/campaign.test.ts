/** The campaign's plan and the checker's account of a history. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { lossBound, takeAccount } from "@acktor/chaos/campaign/account";
import { readHistory } from "@acktor/chaos/campaign/check-history";
import { planCampaign } from "@acktor/chaos/campaign/plan";
import { PROFILES } from "@acktor/chaos/campaign/profiles";
import type { Entry } from "@acktor/chaos/workload/history";

const ALL = { nats: true, disk: true };
const history = (...entries: object[]): Entry[] => entries.map((entry, t) => ({ t, ...entry }) as Entry);

test("four outcomes: ok, refused, unknown, pending; ids count once", () => {
  const account = takeAccount(
    history(
      { op: "send", n: 0, key: "k" },
      { op: "answer", n: 0, kind: "unknown", status: null },
      { op: "send", n: 0, key: "k" },
      { op: "answer", n: 0, kind: "ok", status: 200, id: "a" },
      { op: "send", n: 1, key: null },
      { op: "answer", n: 1, kind: "refused", status: 429 },
      { op: "send", n: 2, key: null },
      { op: "kill", what: "acker" },
      { op: "kill", what: "acker" },
    ),
  );
  assert.deepEqual(account.answers, { ok: 1, refused: 1, unknown: 1, pending: 1 });
  assert.deepEqual([account.accepted, account.messages, account.kills], [["a"], 3, { acker: 2 }]);
  assert.deepEqual(account.unexpected, []);
});

test("what must not be in a history is reported", () => {
  const { unexpected } = takeAccount(
    history(
      { op: "send", n: 0, key: "k" },
      { op: "answer", n: 0, kind: "ok", status: 201, id: "a" },
      { op: "answer", n: 0, kind: "ok", status: 200, id: "b" },
      { op: "answer", n: 1, kind: "refused", status: 400 },
      { op: "answer", n: 2, kind: "unknown", status: 500 },
      { op: "own-error", service: "acker", line: "TypeError" },
      { op: "late", what: "CONNECTED", ms: 11_000, limitMs: 10_000 },
    ),
  );
  assert.equal(unexpected.length, 5);
});

test("a history that was cut off in the middle of a line is read up to it", () => {
  assert.deepEqual(readHistory('{"t":1,"op":"kill","what":"acker"}\n{"t":2,"op":"ki'), [
    { t: 1, op: "kill", what: "acker" },
  ]);
});

test("the bound on losses follows from kills", () => {
  assert.equal(lossBound(500), 0.006);
  assert.equal(lossBound(0), 1);
});

test("CAMPAIGN_PLAN-1: the CI profile has the numbers of the matrix, and the same seed gives the same plan", () => {
  const plan = planCampaign(PROFILES.ci, 1, ALL);
  const count = (is: (fault: { do: string; unit?: string }) => boolean): number => {
    const steps = [...plan.processes, ...plan.lines];
    return steps.flatMap(({ faults }) => faults).filter(is).length;
  };
  const killed = (unit: string): number => count((fault) => fault.do === "kill" && fault.unit === unit);
  assert.ok(killed("publisher") >= 8 && killed("acker") >= 6 && killed("broker") >= 4);
  assert.ok(killed("postgres") >= 2 && killed("nats") >= 2);
  assert.equal(
    count(({ do: what }) => what === "freeze"),
    6,
  );
  assert.equal(
    count(({ do: what }) => what === "half-open"),
    3,
  );
  assert.deepEqual(planCampaign(PROFILES.ci, 1, ALL), plan);
  assert.notDeepEqual(planCampaign(PROFILES.ci, 2, ALL), plan);
  const without = JSON.stringify(planCampaign(PROFILES.ci, 1, { nats: false, disk: false }));
  assert.ok(!without.includes('"nats"'), "nothing of NATS where there is none");
});
