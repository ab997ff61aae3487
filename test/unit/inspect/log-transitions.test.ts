/** Machines in the log: one line a transition, with what moved it; none for its daily round, none for what moves nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { logTransitions } from "@acktor/shared/inspect/log-transitions";
import { createActor, setup } from "xstate";
import { keptLogger } from "../../support/kept-logger.ts";

const machine = setup({
  types: { events: {} as { type: "gates.opened" | "gates.closed" | "poll" | "noted" | "stop" } },
}).createMachine({
  id: "toy",
  initial: "IDLE",
  on: { "gates.closed": ".IDLE", noted: { actions: () => undefined }, stop: ".STOPPED" },
  states: {
    IDLE: { on: { "gates.opened": "CLAIMING" } },
    CLAIMING: { on: { poll: "WAITING" } },
    WAITING: { on: { poll: "CLAIMING" } },
    STOPPED: { type: "final" },
  },
});

test("one line for each transition, none for polls", () => {
  const log = keptLogger();
  const actor = createActor(machine);
  actor.start();
  logTransitions(actor, "toy", log.logger, (from, to) => from !== "IDLE" && to !== "IDLE" && to !== "STOPPED");
  for (const type of ["noted", "gates.opened", "poll", "poll", "noted", "gates.closed", "stop", "noted"] as const) {
    actor.send({ type });
  }
  const lines = log.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    lines.map(({ level, actor: name, from, to, event, msg }) => [level, name, from, to, event, msg]),
    [
      ["info", "toy", "IDLE", "CLAIMING", "gates.opened", "toy IDLE → CLAIMING"],
      ["info", "toy", "CLAIMING", "IDLE", "gates.closed", "toy CLAIMING → IDLE"],
      ["info", "toy", "IDLE", "STOPPED", "stop", "toy IDLE → STOPPED"],
    ],
  );
});
