/** The state of PostgreSQL, from failures and probes to one line for people. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import { DATABASE_KINDS, type DatabaseKind, stateOf, stateOfKind } from "@acktor/shared/runtime/database-state";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { databaseWords } from "@acktor/shared/texts/database-words";
import { keptLogger } from "../../support/kept-logger.ts";
import { testClock } from "../../support/test-clock.ts";

const WRITABLE = { ok: true, rows: [{ standby: false, read_only: false, whole: true }] } as const;

function failure(code: string, message = code, constraint: string | null = "") {
  return { code, message, constraint, kind: "unavailable", maybeCommitted: false } as const;
}

function rig() {
  const clock = testClock();
  const log = keptLogger();
  const health = new DatabaseHealth({ clock, logger: log.logger });
  const troubles = new Troubles({ clock, logger: log.logger, database: health });
  const fields = (at: number) => JSON.parse(log.lines[at] ?? "{}") as Readonly<Record<string, unknown>>;
  return { clock, health, troubles, said: log.messages, fields };
}

const CODES: readonly (readonly [code: string, message: string, kind: DatabaseKind | null])[] = [
  ["25006", "cannot execute INSERT in a read-only transaction", "read_only"],
  ["53100", "could not extend file: No space left on device", "full_disk"],
  ["53200", "out of memory", "out_of_resources"],
  ["53300", "sorry, too many clients already", "too_many_connections"],
  ["57P01", "terminating connection due to administrator command", "stopping"],
  ["57P02", "terminating connection because of crash of another server process", "starting"],
  ["57P03", "the database system is starting up", "starting"],
  ["57P03", "the database system is shutting down", "stopping"],
  ["28P01", "password authentication failed", "login"],
  ["3D000", "database does not exist", "missing_database"],
  ["42P01", "relation does not exist", "schema"],
  ["3F000", "schema does not exist", "schema"],
  ["ECONNREFUSED", "connect ECONNREFUSED", "unreachable"],
  ["CONNECTION_CLOSED", "write CONNECTION_CLOSED", "unreachable"],
  ["DEADLINE", "the statement took longer than its deadline", "slow"],
  ["22003", "integer out of range", null],
  ["23514", "new row violates check constraint", null],
  ["XX001", "invalid page in block", null],
  ["58030", "could not read block", null],
  ["55P03", "lock not available", null],
  ["EXCEPTION", "undefined is not a function", null],
];

test("DATABASE_STATE-1: each failure of the database as a whole has its state, those of a row or a statement have none", () => {
  for (const [code, message, kind] of CODES) assert.equal(stateOf({ code, message })?.kind ?? null, kind, code);
  assert.equal(stateOf(failure("23514", "no partition of relation found for row", null))?.kind, "schema");
});

test("each state has a sentence and a remedy in both languages", () => {
  for (const kind of DATABASE_KINDS) {
    const { says, remedy } = stateOfKind(kind);
    const ja = databaseWords(kind, "ja");
    assert.ok(says.length > 10 && remedy.endsWith(".") && ja.remedy.endsWith("。"), kind);
    assert.deepEqual(databaseWords(kind, "en"), { kind, says, remedy });
  }
});

test("DATABASE_HEALTH-1, DATABASE_HEALTH-3, TROUBLE-5: a read-only database is down, and is logged once for all areas, with its end", () => {
  const { clock, health, troubles, said, fields } = rig();
  health.probed(WRITABLE);
  for (const area of ["intake", "claim", "settle"]) troubles.note(area, failure("25006"));
  assert.equal(health.isUp(), false);
  assert.match(health.line(), /^read_only: PostgreSQL is read-only \(25006\)\. Reset default_transaction_read_only/);
  clock.at += 3_000;
  health.probed(WRITABLE);
  assert.equal(health.line(), "ok");
  assert.deepEqual(said(), ["PostgreSQL answers", "PostgreSQL is read-only", "PostgreSQL works again"]);
  assert.equal(fields(1)["state"], "read_only");
  assert.deepEqual([fields(2)["was"], fields(2)["for_ms"]], ["read_only", 3_000]);
});

test("DATABASE_HEALTH-2: it stays down while writes are refused, although each probe finds it writable", () => {
  const { clock, health, said } = rig();
  health.probed(WRITABLE);
  for (let second = 0; second < 30; second++) {
    health.noted(failure("53100"));
    clock.at += 1_000;
    assert.equal(health.needsWrite(), true);
    health.probed(WRITABLE);
    assert.equal(health.isUp(), false);
  }
  clock.at += 2_000;
  health.probed(failure53100());
  assert.equal(health.isUp(), false, "the probe's own write is refused");
  clock.at += 3_000;
  health.probed(WRITABLE);
  assert.equal(health.isUp(), true);
  assert.deepEqual(said(), ["PostgreSQL answers", "The disk of PostgreSQL is full", "PostgreSQL works again"]);
});

function failure53100() {
  return { ok: false, failure: failure("53100") } as const;
}

test("DATABASE_HEALTH-2: a probe whose write is refused for want of a right keeps a full disk, and names grants.sql", () => {
  const { clock, health, said } = rig();
  health.probed(WRITABLE);
  for (let second = 0; second < 20; second++) {
    if (second % 5 === 0) health.noted(failure("53100"));
    health.probed({ ok: false, failure: { ...failure("42501"), kind: "rejected" } });
    assert.equal(health.state.kind, "full_disk");
    clock.at += 1_000;
  }
  assert.match(health.line(), /^full_disk: .*42501.*grants\.sql/);
  assert.equal(said().length, 3);
  health.probed(WRITABLE);
  assert.equal(health.line(), "ok");
});

test("DATABASE_HEALTH-1: a pooler in the wrong mode is down", () => {
  const { health } = rig();
  health.probed({ ok: false, failure: { ...failure("POOLER_MODE"), kind: "rejected" } });
  assert.equal(health.isUp(), false);
});

test("the probe distinguishes a standby from a read-only primary, also in the answer to a statement", () => {
  const { health } = rig();
  health.probed({ ok: true, rows: [{ standby: true, read_only: true, whole: true }] });
  assert.equal(health.state.kind, "standby");
  health.noted(failure("25006"));
  assert.equal(health.explain(failure("25006"))?.kind, "standby");
  assert.equal(health.state.kind, "standby");
  health.probed(WRITABLE);
  assert.equal(health.state.kind, "standby", "a write was refused just now");
});

test("DATABASE_HEALTH-4: slow statements, missing connections and missing tables are left to the probe", () => {
  const { health, troubles } = rig();
  health.probed(WRITABLE);
  for (const code of ["DEADLINE", "53300", "42P01", "22003"]) troubles.note("claim", failure(code));
  assert.equal(health.isUp(), true);
  health.probed({ ok: false, failure: failure("53300") });
  assert.equal(health.state.kind, "too_many_connections");
  health.probed({ ok: true, rows: [{ standby: false, read_only: false, whole: false }] });
  assert.equal(health.state.kind, "schema");
  health.probed({ ok: false, failure: { ...failure("42501"), kind: "rejected" } });
  assert.equal(health.isUp(), true, "a refusal is an answer");
});

test("DATABASE_HEALTH-3: a state that comes and goes each second is logged once a minute", () => {
  const { clock, health, said } = rig();
  for (let second = 0; second < 70; second++) {
    health.probed({ ok: false, failure: failure("ECONNREFUSED") });
    clock.at += 500;
    health.probed(WRITABLE);
    clock.at += 500;
  }
  assert.equal(said().filter((line) => line === "PostgreSQL cannot be reached").length, 2);
  assert.equal(said().filter((line) => line === "PostgreSQL works again").length, 2);
});

test("DATABASE_HEALTH-5: listeners are notified at the first time and at each return", () => {
  const { health } = rig();
  let returns = 0;
  health.listen({ databaseReturned: () => void returns++ });
  health.probed(WRITABLE);
  health.probed(WRITABLE);
  health.noted(failure("ECONNRESET"));
  health.probed(WRITABLE);
  assert.equal(returns, 2);
});
