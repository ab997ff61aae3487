/** What the dispatcher hands over is written, however long the database is away, and in order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Destinations } from "@acktor/publisher/dispatch/destinations";
import { type Attempt, type AwaitingAck, InFlightBook } from "@acktor/publisher/dispatch/in-flight-book";
import { OutboxWriter } from "@acktor/publisher/dispatch/outbox-writer";
import type { AttemptRecord, AttemptStore } from "@acktor/publisher/outbox/outbox";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { AWAY, REFUSED, rows } from "../../support/db-results.ts";
import { keptLogger } from "../../support/kept-logger.ts";
import { leased } from "../../support/leased.ts";
import { testClock } from "../../support/test-clock.ts";
import { until } from "../../support/until.ts";

interface Rig {
  readonly writer: OutboxWriter;
  /** Every call of a verb, in order. */
  readonly calls: { readonly verb: string; readonly arguments: readonly unknown[] }[];
  /** Ids of messages that were marked failed. */
  readonly failed: string[];
  readonly troubles: Troubles;
  /** A message whose attempt has its PUBACK. */
  attempt(): { readonly record: AttemptRecord; readonly attempt: AwaitingAck };
}

type Answers = {
  readonly [K in keyof AttemptStore]?: (...args: Parameters<AttemptStore[K]>) => ReturnType<AttemptStore[K]>;
};

function writerRig(answers: Answers = {}): Rig {
  const calls: Rig["calls"] = [];
  const failed: string[] = [];
  const destinations = new Destinations(0);
  const book = new InFlightBook(destinations);
  const troubles = new Troubles({ clock: testClock(), logger: keptLogger().logger });
  const writer = new OutboxWriter({
    book,
    troubles,
    failedMessages: { failed: (messageId) => void failed.push(messageId) },
    outbox: {
      async recordAttempts(records) {
        calls.push({ verb: "recordAttempts", arguments: [records] });
        return answers.recordAttempts?.(records) ?? rows(...records.map(({ messageId }) => ({ messageId })));
      },
      async fail(failures) {
        calls.push({ verb: "fail", arguments: [failures] });
        return answers.fail?.(failures) ?? rows();
      },
      async release(releases) {
        calls.push({ verb: "release", arguments: [releases] });
        return answers.release?.(releases) ?? rows();
      },
      async park(parkings) {
        calls.push({ verb: "park", arguments: [parkings] });
        return answers.park?.(parkings) ?? rows();
      },
      async unpark(destinations) {
        calls.push({ verb: "unpark", arguments: [destinations] });
        return answers.unpark?.(destinations) ?? rows();
      },
    },
  });
  const attempt = () => {
    const message = leased();
    const queued = { message, leaseEndsAt: 15_000, expiresAt: null, probe: false };
    const awaiting = book.pubacked(book.open(queued, destinations.ofTopic(message.topic), 0, 2_000, 3_000), 0, 1);
    book.recording(awaiting);
    const record: AttemptRecord = {
      messageId: message.messageId,
      leaseToken: "1",
      outcome: "acked",
      reasonCode: 0,
      breaker: "CLOSED",
      publishedAgoMs: 100,
      nextInMs: 2_000,
    };
    return { record, attempt: awaiting };
  };
  return { writer, calls, failed, troubles, attempt };
}

/** The state now, behind the type of the reference. */
function stateOf(attempt: Attempt): Attempt["state"] {
  return attempt.state;
}

test("attempts are written in batches, and the book notes it", async () => {
  const { writer, calls, attempt } = writerRig();
  const attempts = Array.from({ length: 20 }, attempt);
  for (const one of attempts) writer.recordAttempts([one.record], [one.attempt]);
  await until(() => attempts.every((one) => stateOf(one.attempt) === "RECORDED"), 2_000);
  assert.deepEqual(calls, [{ verb: "recordAttempts", arguments: [attempts.map((one) => one.record)] }]);
  await writer.drain();
});

test("rows whose lease another publisher holds are no longer in flight here", async () => {
  const { writer, attempt } = writerRig({
    recordAttempts: async ([first]) => rows({ messageId: first?.messageId ?? "" }),
  });
  const [mine, others] = [attempt(), attempt()];
  writer.recordAttempts([mine.record, others.record], [mine.attempt, others.attempt]);
  await writer.drain();
  assert.deepEqual([stateOf(mine.attempt), stateOf(others.attempt)], ["RECORDED", "CLOSED"]);
});

test("OUTBOX_WRITER-1: while the database is away an attempt is tried again, and no row counts as fenced", async () => {
  let away = 1;
  const { writer, calls, attempt } = writerRig({
    recordAttempts: async (records) => (away-- > 0 ? AWAY : rows(...records.map(({ messageId }) => ({ messageId })))),
  });
  const one = attempt();
  writer.recordAttempts([one.record], [one.attempt]);
  await until(() => stateOf(one.attempt) === "RECORDED", 5_000);
  assert.equal(calls.length, 2);
  await writer.drain();
});

test("a write that the database refuses is reported, and not tried again", async () => {
  const { writer, calls, attempt, troubles } = writerRig({ recordAttempts: async () => REFUSED });
  const one = attempt();
  writer.recordAttempts([one.record], [one.attempt]);
  await writer.drain();
  assert.equal(calls.length, 1);
  assert.equal(stateOf(one.attempt), "RECORDED");
  assert.deepEqual(troubles.counts(), [[{ area: "mark_sent", code: "22003" }, 1]]);
});

test("failures and returned leases carry their tokens, and a failure is announced", async () => {
  const { writer, calls, failed } = writerRig();
  const [bad, early] = [leased({ leaseToken: "3" }), leased({ leaseToken: "4" })];
  writer.fail(bad, "max_retries");
  writer.release([early], 250);
  await writer.drain();
  assert.deepEqual(failed, [bad.messageId]);
  assert.deepEqual(calls, [
    { verb: "fail", arguments: [[{ messageId: bad.messageId, leaseToken: "3", reason: "max_retries" }]] },
    { verb: "release", arguments: [[{ messageId: early.messageId, leaseToken: "4", dueInMs: 250 }]] },
  ]);
});

test("OUTBOX_WRITER-3: parking and resuming keep their order, so that the last one counts; those alike share a statement", async () => {
  const { writer, calls } = writerRig();
  const message = leased();
  const facts = { tried: true, answeredAgoMs: null };
  writer.park("a", [message], facts);
  writer.park("c", [], facts);
  writer.unpark("a");
  writer.unpark("c");
  writer.park("a", [], facts);
  writer.unpark("b");
  await writer.drain();
  assert.deepEqual(calls, [
    {
      verb: "park",
      arguments: [
        [
          { destination: "a", messageId: message.messageId, ...facts },
          { destination: "c", messageId: null, ...facts },
        ],
      ],
    },
    { verb: "unpark", arguments: [["a", "c"]] },
    { verb: "park", arguments: [[{ destination: "a", messageId: null, ...facts }]] },
    { verb: "unpark", arguments: [["b"]] },
  ]);
});

test("a drain writes what waits, gives up after one attempt where the database is away, and takes no more", async () => {
  const { writer, calls, attempt } = writerRig({ fail: async () => AWAY });
  const one = attempt();
  writer.recordAttempts([one.record], [one.attempt]);
  writer.fail(leased(), "max_retries");
  const before = performance.now();
  await Promise.all([writer.drain(), writer.drain()]);
  assert.ok(performance.now() - before < 1_000);
  assert.deepEqual(calls.map((c) => c.verb).sort(), ["fail", "recordAttempts"]);
  assert.equal(stateOf(one.attempt), "RECORDED");
  const late = attempt();
  writer.recordAttempts([late.record], [late.attempt]);
  writer.release([leased()], 0);
  assert.equal(calls.length, 2);
  assert.equal(stateOf(late.attempt), "RECORDED");
});

test("OUTBOX_WRITER-2: what exceeds the queue behind a database that is away is left to the leases", async () => {
  let answer: (result: typeof AWAY) => void = () => undefined;
  const blocked = new Promise<typeof AWAY>((resolve) => {
    answer = resolve;
  });
  const { writer, attempt } = writerRig({ recordAttempts: () => blocked });
  // One batch of 1,000 is under way, 10,000 wait.
  const taken = Array.from({ length: 11_000 }, attempt);
  for (const one of taken) writer.recordAttempts([one.record], [one.attempt]);
  assert.ok(taken.every((one) => stateOf(one.attempt) === "RECORDING"));
  const late = attempt();
  writer.recordAttempts([late.record], [late.attempt]);
  assert.equal(stateOf(late.attempt), "RECORDED", "it comes due with its lease");
  const drained = writer.drain();
  answer(AWAY);
  await drained;
});
