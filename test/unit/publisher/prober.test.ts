/** How many destinations are probed, and when. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PROBES_PER_SECOND, Prober } from "@acktor/publisher/janitor/prober";
import type { ProbeLimits, SweepStore } from "@acktor/publisher/outbox/outbox";
import { leased } from "../../support/leased.ts";
import { testClock } from "../../support/test-clock.ts";

/** An outbox with any number of silent destinations, and of such that were not tried. */
function rig({ untried = 0, silent = 0, room = 1_000 }) {
  const clock = testClock();
  const sent = { untried: 0, silent: 0 };
  const outbox = {
    freeReleased: async () => ({ ok: true, value: { freed: 0, more: false } }),
    async probe(limits: ProbeLimits) {
      const found = { untried: Math.min(untried, limits.untried), silent: Math.min(silent, limits.silent) };
      sent.untried += found.untried;
      sent.silent += found.silent;
      const messages = Array.from({ length: found.untried + found.silent }, () => leased());
      return { ok: true, value: { messages, forgotten: [] } };
    },
  } as unknown as SweepStore;
  const prober = new Prober({
    ...{ outbox, clock, leaseMs: 15_000, gate: { open: true }, destinations: { resume: () => undefined } },
    dispatcher: { roomForTrials: room, offer: () => undefined },
    doorbell: { ringForKnownRows: () => undefined },
  });
  const run = async (seconds: number): Promise<void> => {
    for (let at = 0; at < seconds; at += 0.5) {
      await prober.run();
      clock.at += 500;
    }
  };
  return { sent, run };
}

test("PROBER-1: any number of silent destinations gets a fixed number of probes a second", async () => {
  const { sent, run } = rig({ silent: 100_000 });
  await run(10);
  sent.silent = 0;
  await run(100);
  assert.equal(sent.silent, 100 * PROBES_PER_SECOND);
});

test("PROBER-1: probes go on while newcomers take all the room, and stop where none is due", async () => {
  const crowded = rig({ silent: 100_000, room: 0 });
  await crowded.run(10);
  assert.deepEqual(crowded.sent, { untried: 0, silent: 20 });
  const calm = rig({});
  await calm.run(10);
  assert.deepEqual(calm.sent, { untried: 0, silent: 0 });
});

test("PROBER-2: those that were not tried get what the window has room for, without a bound of their own", async () => {
  const { sent, run } = rig({ untried: 100_000, silent: 100_000, room: 40 });
  await run(100);
  assert.equal(sent.untried, 200 * 20 + (200 * 20 - sent.silent));
  assert.ok(sent.silent <= 100 * PROBES_PER_SECOND + 100);
});

test("PROBER-2: where there is room for one probe, both kinds get one", async () => {
  const { sent, run } = rig({ untried: 100_000, silent: 100_000, room: 1 });
  await run(10);
  assert.deepEqual(sent, { untried: 20, silent: 20 });
});
