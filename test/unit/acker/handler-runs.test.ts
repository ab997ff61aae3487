/** The order of suspects: found by the fault lab's poison, which got a healthy message rejected in its stead. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createCounts } from "@acktor/acker/control/counts";
import type { Inbox, Moved } from "@acktor/acker/inbox/inbox";
import type { InboxMessage } from "@acktor/acker/inbox/message";
import type { HandlerJob } from "@acktor/acker/process/handler-runner";
import { HandlerRuns } from "@acktor/acker/process/handler-runs";
import type { Held } from "@acktor/acker/subscribe/places";
import type { DbResult } from "@acktor/shared/db/pool";
import { UNWATCHED } from "@acktor/shared/inspect/deliveries";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import { NO_TRACING } from "@acktor/shared/runtime/tracing";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
import { until } from "../../support/until.ts";

/** An inbox whose answers to outcomes are held back; it notes what it was asked, in order. */
function slowInbox() {
  const asked: string[] = [];
  const held: (() => void)[] = [];
  const inbox: Pick<Inbox, "finish" | "markHandling"> = {
    markHandling({ messageId }) {
      asked.push(`begins ${messageId}`);
      return Promise.resolve({ ok: true, rows: [{ messageId }] });
    },
    finish(batch) {
      const rows = batch.map(({ messageId }) => ({ messageId }));
      asked.push(...rows.map(({ messageId }) => `ends ${messageId}`));
      return new Promise<DbResult<Moved>>((resolve) => held.push(() => resolve({ ok: true, rows })));
    },
  };
  return { asked, release: () => held.shift()?.(), inbox: inbox as Inbox };
}

/** A runner whose handlers answer immediately. */
const QUICK = {
  run: (job: HandlerJob) => void (job.begin() && job.done({ kind: "processed" })),
  running: () => 0,
  waiting: () => 0,
  stuck: () => 0,
  stop: () => undefined,
};

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test("RUNS-2: a suspect begins when the outcome of the one before it is written, so that the crash is not blamed on that", async () => {
  const { asked, release, inbox } = slowInbox();
  const ended: string[] = [];
  const runs = new HandlerRuns({
    ...{ inbox, runner: QUICK, leaseMs: 60_000, capacity: 10 },
    ...{ counts: createCounts(), clock: SYSTEM_CLOCK, deliveries: UNWATCHED, tracing: NO_TRACING },
    acks: { send: () => undefined, answer: () => undefined },
    places: { release: ({ topic }: Held) => void ended.push(topic) } as never,
    troubles: NO_TROUBLES,
  });
  for (const messageId of ["innocent", "culprit"]) {
    const message = { messageId, topic: "t", answerTo: null, attemptToken: "1" } as unknown as InboxMessage;
    runs.take({ messageId, owner: "a/1/1" }, { message, held: { topic: messageId } as Held }, undefined, 1);
  }
  await until(() => asked.length >= 2, 1_000, "the innocent's outcome to be on its way");
  await settled();
  assert.deepEqual(asked, ["begins innocent", "ends innocent"]);
  release();
  await until(() => asked.length >= 4, 1_000, "the culprit");
  release();
  // REGISTRY-1
  await until(() => ended.length === 2, 1_000, "the end of both");
  assert.deepEqual(asked, ["begins innocent", "ends innocent", "begins culprit", "ends culprit"]);
});
