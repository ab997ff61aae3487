/** Roles that fail repeatedly: a log line each, one trouble until the role has held. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Role, Supervisor } from "@acktor/shared/runtime/supervisor";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { keptLogger } from "../../support/kept-logger.ts";
import { until } from "../../support/until.ts";

test("SUPERVISOR-2: a role that throws repeatedly is in trouble from its first end until it has held", async (t) => {
  const log = keptLogger();
  let now = 0;
  const troubles = new Troubles({ clock: { now: () => now }, logger: log.logger });
  let runs = 0;
  const counter: Role = {
    async run(signal) {
      if (++runs < 3) throw new TypeError("no such thing");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  };
  const service = {
    prepare: async () => ({ ok: true }) as const,
    roles: () => ({ counter }),
    pause: () => undefined,
    resume: () => undefined,
    drain: async () => undefined,
  };
  const supervisor = new Supervisor(service, { troubles, logger: log.logger, random: { next: () => 0 } });
  supervisor.start();
  t.after(() => supervisor.stop());
  await until(() => runs === 3, 10_000, "two restarts");
  now = 10_000;
  assert.deepEqual(Object.keys(troubles.checks()), ["role counter"]);
  assert.deepEqual(troubles.counts(), [[{ area: "role counter", code: "EXCEPTION" }, 2]]);
  assert.equal(log.messages().filter((line) => line === "a role ended unexpectedly; restarting it").length, 2);
  supervisor.actor.send({ type: "role.steady", role: "counter" });
  assert.deepEqual(troubles.list(), []);
  assert.equal(log.messages().at(-1), "role counter works again");
});

test("SUPERVISOR-1: a stop or a start after STOPPED does nothing, and the machine does not run a second time", async () => {
  const calls: string[] = [];
  const service = {
    async prepare() {
      calls.push("prepare");
      return { ok: true } as const;
    },
    roles: () => ({}),
    pause: () => undefined,
    resume: () => undefined,
    async drain() {
      calls.push("drain");
    },
  };
  const { logger } = keptLogger();
  const troubles = new Troubles({ clock: { now: () => 0 }, logger });
  const supervisor = new Supervisor(service, { troubles, logger, random: { next: () => 0 } });
  supervisor.start();
  await supervisor.started;
  await supervisor.stop();
  const seen: string[] = [];
  supervisor.actor.system.inspect((event) => seen.push(event.type));
  await supervisor.stop();
  supervisor.start();
  assert.deepEqual(seen, []);
  assert.deepEqual(calls, ["prepare", "drain"]);
  assert.equal(supervisor.state(), "STOPPED");
});
