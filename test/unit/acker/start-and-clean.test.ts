/** The life of an acker around its messages: options, start, cleaning, and a stop before the start. */
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createAcker, type HandlerOptions, processed } from "@acktor/acker/create-acker";
import { CleanInbox } from "@acktor/acker/inbox/clean-inbox";
import { DatabaseWatch } from "@acktor/acker/inbox/database-watch";
import { prepareInbox } from "@acktor/acker/inbox/prepare-inbox";
import { Receiver, type ReceiverParts } from "@acktor/acker/subscribe/receiver";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { createLogger } from "@acktor/shared/runtime/logger";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
import { fakeInbox, UNAVAILABLE } from "../../support/fake-inbox.ts";
import { HALF } from "../../support/test-clock.ts";

const logger = createLogger("acker", "a", "silent", { write: () => undefined });

function countedRandom() {
  const random = { asked: 0, next: () => random.asked++ / 10 };
  return random;
}

test("an option of a handler that is undefined has its default", async () => {
  const options = { handle: () => processed, concurrency: undefined, timeoutMs: -1 } as unknown as HandlerOptions;
  const acker = await createAcker({ databaseUrl: "x", mqttUrl: "x", handlers: { a: options } });
  assert.deepEqual(acker.ok ? [] : acker.faults, ["handlers[a].timeoutMs is not up to a day."]);
});

test("ackers that wait for one database do not retry together: neither at the start nor when cleaning", async (t) => {
  const random = countedRandom();
  const answers = [UNAVAILABLE, { ok: true, rows: [] } as const];
  const inbox = fakeInbox({
    probe: async () => answers.shift() ?? UNAVAILABLE,
    prepare: async () => ({ ok: true }),
    clean: async () => UNAVAILABLE,
  });
  const stop = new AbortController();
  const database = new DatabaseWatch(inbox, NO_TROUBLES, new DatabaseHealth({ clock: SYSTEM_CLOCK, logger }));
  assert.deepEqual(await prepareInbox({ inbox, database, random, logger }, stop.signal), { ok: true });
  assert.equal(random.asked, 1);

  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const config = { ACKTOR_INBOX_WINDOW: 1_000 };
  const cleaning = new CleanInbox({ inbox, config, random, logger, troubles: NO_TROUBLES }).run(stop.signal);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(random.asked, 2);
  stop.abort();
  await cleaning;
});

test("a receiver that is stopped before its start is STOPPED, and does not start", async () => {
  const presence = { ACKTOR_PRESENCE: "on", ACKTOR_PRESENCE_PREFIX: "acker" } as const;
  const config = { ACKTOR_TOPICS: ["t"], ACKTOR_TOPIC_MAP: null, ACKTOR_GROUP: null, ...presence };
  const guard = new ListenerGuard({ logger, clock: SYSTEM_CLOCK });
  // Neither the link nor the intake is asked for anything.
  const unused = {} as Pick<ReceiverParts, "link" | "intake">;
  const receiver = new Receiver({ ...unused, config, instance: "a", clock: SYSTEM_CLOCK, random: HALF, logger, guard });
  assert.equal(receiver.state(), "STOPPED");
  await receiver.stop();
  receiver.start();
  assert.equal(receiver.state(), "STOPPED");
});
