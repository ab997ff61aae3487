/** What the dispatcher hands over is written, however long the database is away, and in order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { InFlight } from "@acktor/publisher/dispatch/in-flight";
import { OutboxWriter, type WriterVerbs } from "@acktor/publisher/dispatch/outbox-writer";
import type { AttemptRecord } from "@acktor/publisher/outbox/outbox";
import { AWAY, REFUSED, rows } from "../../support/db-results.ts";
import { keptLogger } from "../../support/kept-logger.ts";
import { leased } from "../../support/leased.ts";
import { until } from "../../support/until.ts";

interface Rig {
  readonly writer: OutboxWriter;
  /** Every call of a verb, in order. */
  readonly calls: { readonly verb: string; readonly arguments: readonly unknown[] }[];
  readonly recorded: { readonly ids: readonly string[]; readonly fenced: readonly string[] }[];
  readonly logged: () => string[];
}

type Answers = {
  readonly [K in keyof WriterVerbs]?: (...args: Parameters<WriterVerbs[K]>) => Awaited<ReturnType<WriterVerbs[K]>>;
};

function writerRig(answers: Answers = {}): Rig {
  const calls: Rig["calls"] = [];
  const recorded: Rig["recorded"] = [];
  const log = keptLogger();
  const verbs: WriterVerbs = {
    async markSent(records) {
      calls.push({ verb: "markSent", arguments: [records] });
      return answers.markSent?.(records) ?? rows(...records.map(({ messageId }) => ({ messageId })));
    },
    async failMessages(failures) {
      calls.push({ verb: "failMessages", arguments: [failures] });
      return answers.failMessages?.(failures) ?? rows();
    },
    async releaseLeases(releases) {
      calls.push({ verb: "releaseLeases", arguments: [releases] });
      return answers.releaseLeases?.(releases) ?? rows();
    },
    async park(destination, ids) {
      calls.push({ verb: "park", arguments: [destination, ids] });
      return answers.park?.(destination, ids) ?? rows();
    },
    async unpark(destination) {
      calls.push({ verb: "unpark", arguments: [destination] });
      return answers.unpark?.(destination) ?? rows();
    },
  };
  const writer = new OutboxWriter(verbs, log.logger, (entries, fenced) => {
    recorded.push({ ids: entries.map((e) => e.message.messageId), fenced: [...fenced] });
  });
  return { writer, calls, recorded, logged: log.messages };
}

function attempt(): { record: AttemptRecord; entry: InFlight } {
  const message = leased();
  const record: AttemptRecord = {
    messageId: message.messageId,
    leaseToken: "1",
    outcome: "acked",
    reasonCode: 0,
    breaker: "CLOSED",
    publishedAgoMs: 100,
    nextInMs: 2_000,
  };
  return { record, entry: { message } as InFlight };
}

test("attempts are written in batches, and the dispatcher hears of them", async () => {
  const { writer, calls, recorded } = writerRig();
  const attempts = Array.from({ length: 20 }, attempt);
  for (const { record, entry } of attempts) writer.recordAttempts([record], [entry]);
  await until(() => recorded.length > 0, 2_000);
  assert.deepEqual(calls, [{ verb: "markSent", arguments: [attempts.map((a) => a.record)] }]);
  assert.deepEqual(recorded, [{ ids: attempts.map((a) => a.entry.message.messageId), fenced: [] }]);
  await writer.drain();
});

test("rows that another owner has are told as fenced", async () => {
  const { writer, recorded } = writerRig({ markSent: ([first]) => rows({ messageId: first?.messageId ?? "" }) });
  const [mine, others] = [attempt(), attempt()];
  writer.recordAttempts([mine.record, others.record], [mine.entry, others.entry]);
  await writer.drain();
  assert.deepEqual(recorded[0]?.fenced, [others.entry.message.messageId]);
});

test("while the database is away an attempt is tried again, and fences nobody", async () => {
  let away = 1;
  const { writer, calls, recorded } = writerRig({
    markSent: (records) => (away-- > 0 ? AWAY : rows(...records.map(({ messageId }) => ({ messageId })))),
  });
  const { record, entry } = attempt();
  writer.recordAttempts([record], [entry]);
  await until(() => recorded.length > 0, 5_000);
  assert.equal(calls.length, 2);
  assert.deepEqual(recorded[0]?.fenced, []);
  await writer.drain();
});

test("a write that the database refuses is said, and not tried again", async () => {
  const { writer, calls, recorded, logged } = writerRig({ markSent: () => REFUSED });
  const { record, entry } = attempt();
  writer.recordAttempts([record], [entry]);
  await writer.drain();
  assert.equal(calls.length, 1);
  assert.deepEqual(recorded, [{ ids: [entry.message.messageId], fenced: [] }]);
  assert.deepEqual(logged(), ["the outbox refused a write"]);
});

test("failures and returned leases carry their tokens", async () => {
  const { writer, calls } = writerRig();
  const [bad, early] = [leased({ leaseToken: "3" }), leased({ leaseToken: "4" })];
  writer.fail(bad, "max_retries");
  writer.release([early], 250);
  await writer.drain();
  assert.deepEqual(calls, [
    { verb: "failMessages", arguments: [[{ messageId: bad.messageId, leaseToken: "3", reason: "max_retries" }]] },
    { verb: "releaseLeases", arguments: [[{ messageId: early.messageId, leaseToken: "4", dueInMs: 250 }]] },
  ]);
});

test("parking and resuming keep their order, so that the last word wins", async () => {
  const { writer, calls } = writerRig();
  const message = leased();
  writer.park("a", [message]);
  writer.unpark("a");
  writer.park("a", []);
  writer.unpark("b");
  await writer.drain();
  assert.deepEqual(calls, [
    { verb: "park", arguments: ["a", [message.messageId]] },
    { verb: "unpark", arguments: ["a"] },
    { verb: "park", arguments: ["a", []] },
    { verb: "unpark", arguments: ["b"] },
  ]);
});

test("a drain writes what waits, gives up at once where the database is away, and takes no more", async () => {
  const { writer, calls, recorded } = writerRig({ failMessages: () => AWAY });
  const { record, entry } = attempt();
  writer.recordAttempts([record], [entry]);
  writer.fail(leased(), "max_retries");
  const before = performance.now();
  await Promise.all([writer.drain(), writer.drain()]);
  assert.ok(performance.now() - before < 1_000);
  assert.deepEqual(calls.map((c) => c.verb).sort(), ["failMessages", "markSent"]);
  assert.equal(recorded.length, 1);
  const late = attempt();
  writer.recordAttempts([late.record], [late.entry]);
  writer.release([leased()], 0);
  assert.equal(calls.length, 2);
  assert.deepEqual(recorded.at(-1)?.ids, [late.entry.message.messageId]);
});

test("what does not fit behind a database that is away is left to the leases, and the dispatcher is told", async () => {
  let answer: (result: typeof AWAY) => void = () => undefined;
  const { writer, calls, recorded } = writerRig();
  const blocked = new Promise<typeof AWAY>((resolve) => {
    answer = resolve;
  });
  const stuck = new OutboxWriter(
    {
      markSent: () => blocked,
      failMessages: async () => rows(),
      releaseLeases: async () => rows(),
      park: async () => rows(),
      unpark: async () => rows(),
    },
    keptLogger().logger,
    (entries, fenced) => recorded.push({ ids: entries.map((e) => e.message.messageId), fenced: [...fenced] }),
  );
  // One batch of 1,000 is under way, 10,000 wait.
  for (let i = 0; i < 11_000; i++) {
    const { record, entry } = attempt();
    stuck.recordAttempts([record], [entry]);
  }
  assert.deepEqual(recorded, []);
  const late = attempt();
  stuck.recordAttempts([late.record], [late.entry]);
  assert.deepEqual(recorded, [{ ids: [late.entry.message.messageId], fenced: [] }]);
  const drained = stuck.drain();
  answer(AWAY);
  await drained;
  await writer.drain();
  assert.deepEqual(calls, []);
});
