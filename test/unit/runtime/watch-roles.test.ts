/** Roles that end again and again: a line each, one trouble until the role holds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startSupervisor, watchRoles } from "@acktor/shared/runtime/start-supervisor";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { keptLogger } from "../../support/kept-logger.ts";
import { until } from "../../support/until.ts";

test("a role that throws again and again is in trouble from its first end until it has held", async (t) => {
  const log = keptLogger();
  let now = 0;
  const troubles = new Troubles({ now: () => now, logger: log.logger });
  let runs = 0;
  const supervisor = startSupervisor({
    prepare: async () => ({ ok: true }),
    roles: {
      counter: async (signal) => {
        if (++runs < 3) throw new TypeError("no such thing");
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    },
    drain: async () => undefined,
    ...watchRoles(troubles, log.logger),
    random: () => 0,
  });
  t.after(() => supervisor.stop());
  await until(() => runs === 3, 10_000, "two restarts");
  now = 10_000;
  assert.deepEqual(Object.keys(troubles.checks()), ["role counter"]);
  assert.deepEqual(troubles.counts(), [[{ area: "role counter", code: "EXCEPTION" }, 2]]);
  assert.equal(log.messages().filter((line) => line === "a role ended; it is started again").length, 2);
  supervisor.actor.send({ type: "role.steady", role: "counter" });
  assert.deepEqual(troubles.list(), []);
  assert.equal(log.messages().at(-1), "role counter works again");
});
