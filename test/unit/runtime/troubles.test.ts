/** What fails, in one place: what is logged, counted and shown, and when it ends. TROUBLE-1 to TROUBLE-4. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { failureOf, Troubles } from "@acktor/shared/runtime/troubles";
import { keptLogger } from "../../support/kept-logger.ts";

const OVERFLOW = { code: "22003", message: "bigint out of range" };

function rig() {
  const log = keptLogger();
  const clock = { now: 0 };
  return { log, clock, troubles: new Troubles({ clock: { now: () => clock.now }, logger: log.logger }) };
}

test("TROUBLE-1: the first failure is a line with area, SQLSTATE, reason and remedy; the next one comes after a minute", () => {
  const { log, clock, troubles } = rig();
  for (; clock.now < 60_000; clock.now += 1_000) troubles.note("claim", OVERFLOW);
  troubles.note("settle", OVERFLOW);
  troubles.note("claim", OVERFLOW);
  const lines = log.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    lines.map(({ area, unsaid }) => [area, unsaid]),
    [
      ["claim", 0],
      ["settle", 0],
      ["claim", 59],
    ],
  );
  const [first] = lines;
  assert.equal(first?.["code"], "22003");
  assert.equal(first?.["reason"], "bigint out of range");
  assert.match(String(first?.["remedy"]), /limit of its type/);
});

test("an unreachable database is one line, regardless of which areas fail", () => {
  const { log, troubles } = rig();
  for (const area of ["claim", "settle", "expiry"]) troubles.note(area, { code: "ECONNREFUSED", message: "refused" });
  assert.equal(log.lines.length, 1);
  assert.equal(troubles.list().length, 3);
});

test("it lasts after ten seconds, is named without its message, and works again with one line", () => {
  const { log, clock, troubles } = rig();
  troubles.note("claim", OVERFLOW);
  clock.now = 9_999;
  assert.deepEqual(troubles.checks(), {});
  clock.now = 10_000;
  assert.match(troubles.checks()["claim"] ?? "", /^failing \(22003\): /);
  assert.doesNotMatch(JSON.stringify(troubles.checks()), /bigint out of range/);
  troubles.clear("claim");
  troubles.clear("claim");
  assert.deepEqual(troubles.list(), []);
  assert.deepEqual(log.messages(), ["claim fails; retrying", "claim works again"]);
});

test("TROUBLE-2: an area of which every second statement fails is in trouble, and that lasts", () => {
  const { clock, troubles } = rig();
  for (; clock.now <= 10_000; clock.now += 1_000) {
    troubles.note("settle", OVERFLOW);
    troubles.clear("settle");
  }
  assert.deepEqual(Object.keys(troubles.checks()), ["settle"]);
  clock.now += 3_000;
  assert.deepEqual(troubles.checks(), {});
});

test("TROUBLE-3: areas and codes are bounded, and a made-up code is not a label", () => {
  const { troubles } = rig();
  for (let at = 0; at < 1_000; at++) troubles.note(`area ${at}`, OVERFLOW);
  for (let at = 0; at < 1_000; at++) troubles.note("area 1", { code: `X${String(at).padStart(4, "0")}`, message: "" });
  troubles.note("area 2", { code: "<script>", message: "" });
  const samples = troubles.counts();
  assert.ok(samples.length <= 65 + 17 + 1, String(samples.length));
  assert.ok(samples.every(([{ code }]) => /^([0-9A-Z]{5}|other|EXCEPTION)$/.test(code ?? "")));
  assert.equal(
    samples.reduce((sum, [, count]) => sum + count, 0),
    2_001,
  );
  assert.ok(troubles.list().length <= 65);
});

test("TROUBLE-4: a trouble from giving up ends automatically; one that keeps recurring lasts", () => {
  const { clock, troubles } = rig();
  troubles.gaveUp("settle", OVERFLOW);
  clock.now = 2_999;
  assert.equal(troubles.list().length, 1);
  clock.now = 60_000;
  assert.deepEqual(troubles.list(), []);
  for (let at = 0; at <= 10; at++, clock.now += 1_000) troubles.gaveUp("settle", OVERFLOW);
  clock.now -= 1_000;
  assert.deepEqual(Object.keys(troubles.checks()), ["settle"]);
});

test("a result is reported as it is", () => {
  const { troubles } = rig();
  const failed = { ok: false, failure: OVERFLOW } as const;
  assert.equal(troubles.report("park", failed), failed);
  assert.equal(troubles.list()[0]?.area, "park");
});

test("what a role throws keeps the database's code; anything else is EXCEPTION", () => {
  assert.deepEqual(failureOf(Object.assign(new Error("no"), { code: "42501" })), { code: "42501", message: "no" });
  assert.deepEqual(failureOf(new TypeError("no")), { code: "EXCEPTION", message: "no" });
  assert.deepEqual(failureOf("no"), { code: "EXCEPTION", message: "no" });
});
