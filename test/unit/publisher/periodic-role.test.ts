/** A periodic role: its runs, its failures in the log, its end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PeriodicRole } from "@acktor/publisher/janitor/periodic-role";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { keptLogger } from "../../support/kept-logger.ts";
import { until } from "../../support/until.ts";

function rig(work: () => Promise<{ more: boolean }>, intervalMs = 1, now = () => 0) {
  const log = keptLogger();
  return {
    log,
    abort: new AbortController(),
    role: new PeriodicRole({
      work: { name: "expiry", intervalMs, run: work },
      troubles: new Troubles({ clock: { now }, logger: log.logger }),
      watch: { followRole: () => undefined },
    }),
  };
}

test("it works again and again until its signal", async () => {
  let runs = 0;
  const { role, abort } = rig(async () => {
    runs++;
    return { more: false };
  });
  assert.equal(role.actor, null);
  const ran = role.run(abort.signal);
  await until(() => runs >= 3, 5_000);
  abort.abort();
  await ran;
  const ended = runs;
  role.now();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(runs, ended);
});

test("a row of failures is one line in the log with the remedy, and the next row is another", async () => {
  let runs = 0;
  const { role, abort, log } = rig(
    async () => {
      runs++;
      if (runs === 4) return { more: false };
      throw Object.assign(new Error(`no ${runs}`), { code: "42501" });
    },
    1,
    () => (runs < 4 ? 0 : 60_000),
  );
  const ran = role.run(abort.signal);
  await until(() => runs >= 6, 5_000);
  abort.abort();
  await ran;
  assert.deepEqual(
    log.lines.map((line) => JSON.parse(line)).map(({ reason, msg }) => reason ?? msg),
    ["no 1", "expiry works again", "no 5"],
  );
});

test("a role works immediately on request", async () => {
  let runs = 0;
  const { role, abort } = rig(async () => {
    runs++;
    return { more: false };
  }, 60_000);
  const ran = role.run(abort.signal);
  await until(() => role.actor?.getSnapshot().value === "WAITING", 2_000);
  role.now();
  await until(() => runs === 2, 2_000);
  abort.abort();
  await ran;
});

test("a stop waits for the run in progress; it may come twice and early", async () => {
  const ends: (() => void)[] = [];
  const { role, abort } = rig(() => new Promise((resolve) => ends.push(() => resolve({ more: true }))));
  await role.stop();
  const ran = role.run(abort.signal);
  let stopped = false;
  const stops = Promise.all([role.stop(), role.stop()]).then(() => {
    stopped = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([stopped, ends.length], [false, 1]);
  ends[0]?.();
  await stops;
  assert.equal(ends.length, 1);
  abort.abort();
  await ran;
});

test("a role whose machine broke can be started again", async () => {
  let runs = 0;
  const { role, abort } = rig(async () => {
    runs++;
    return { more: false };
  }, 60_000);
  const failure = new Error("broken by the test");
  const broken = role.run(abort.signal);
  const poison = Object.defineProperty({ type: "work.now" as const }, "type", {
    get() {
      throw failure;
    },
  });
  role.actor?.send(poison);
  await assert.rejects(broken, failure);
  abort.abort();
  const again = new AbortController();
  const ran = role.run(again.signal);
  await until(() => runs === 2, 2_000);
  again.abort();
  await ran;
});
