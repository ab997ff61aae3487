/** The way of a batch: what is answered, released, and which attempt an answer names. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createCounts } from "@acktor/acker/control/counts";
import { Notices } from "@acktor/acker/control/notices";
import type { Inbox } from "@acktor/acker/inbox/inbox";
import type { Answer, InboxMessage } from "@acktor/acker/inbox/message";
import type { HandlerRuns } from "@acktor/acker/process/handler-runs";
import { Processor } from "@acktor/acker/process/processor";
import { Task } from "@acktor/acker/process/task";
import { type Held, Places } from "@acktor/acker/subscribe/places";
import type { Group } from "@acktor/acker/verify/group";
import { Verifier } from "@acktor/acker/verify/verifier";
import { UNWATCHED } from "@acktor/shared/inspect/deliveries";
import { TopicMap } from "@acktor/shared/protocol/topic-map";
import { SYSTEM_CLOCK, SYSTEM_RANDOM } from "@acktor/shared/runtime/clock";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { createLogger } from "@acktor/shared/runtime/logger";
import { NO_TRACING } from "@acktor/shared/runtime/tracing";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
import { failed, fakeInbox, heldOf, messageOf, receiptOf } from "../../support/fake-inbox.ts";
import { until } from "../../support/until.ts";

function partsOf() {
  const logger = createLogger("acker", "a", "silent", { write: () => undefined });
  const answers: [InboxMessage["attemptToken"], Answer["status"]][] = [];
  const acks = {
    send: () => undefined,
    answer: ({ attemptToken }: InboxMessage, { status }: Answer) => void answers.push([attemptToken, status]),
  };
  const places = new Places({ limit: 100, byteLimit: 10_000_000 });
  const [counts, clock] = [createCounts(), SYSTEM_CLOCK];
  const guard = new ListenerGuard({ logger, clock });
  const common = { acks, places, counts, clock, random: SYSTEM_RANDOM, guard, notices: new Notices(logger, clock) };
  return { ...common, answers, deliveries: UNWATCHED, tracing: NO_TRACING, troubles: NO_TROUBLES };
}

function processorOn(
  receive: Inbox["receive"],
  messages: readonly InboxMessage[],
  verbs: Partial<Inbox> = {},
  runs: HandlerRuns | null = null,
) {
  const parts = partsOf();
  const held = messages.map(() => heldOf());
  const verifier = {
    isExpired: () => false,
    async verify(arrivals: readonly Held[]): Promise<Group[]> {
      const [message] = messages;
      if (message === undefined) throw new Error("on purpose");
      const all = arrivals.map((one, at) => ({ message: messages[at] ?? message, held: one }));
      return [{ message, deliveries: messages.length, all }];
    },
  };
  const inbox = fakeInbox({ receive, ...verbs });
  const processor = new Processor({ ...parts, inbox, verifier, runs, run: "a/1", leaseMs: 1, capacity: 9 });
  const take = (): void => {
    for (const one of held.length > 0 ? held : [heldOf()]) {
      parts.places.hold(one);
      processor.take(one);
    }
  };
  return { ...parts, take, processor };
}

test("CONCLUDE-1, CONCLUDE-2, CONCLUDE-3: one ack after the commit, for the newest attempt; every place is released", async () => {
  const commits: (() => void)[] = [];
  const [old, newest] = [messageOf("m", { attemptToken: "1" }), messageOf("m", { attemptToken: "3", retryCount: 2 })];
  const batch = [newest, old].map((message) => ({ ...message, answerTo: { topic: "ack/m", id: "m" } }));
  const { take, answers, places, counts } = processorOn(
    () =>
      new Promise((resolve) => commits.push(() => resolve({ ok: true, rows: [receiptOf("m", { deliveries: 2 })] }))),
    batch,
  );
  take();
  await until(() => commits.length === 1, 1_000, "the statement");
  assert.deepEqual([answers, places.size()], [[], 2]);
  commits[0]?.();
  await until(() => places.size() === 0, 1_000, "the end");
  assert.deepEqual(answers, [["3", "processed"]]);
  assert.deepEqual([counts.messages.first, counts.messages.duplicate], [1, 1]);
});

test("CONCLUDE-1: a message that the inbox has as rejected, or with other content, is answered so; a leased one is not", async () => {
  const cases = [
    { receipt: receiptOf("m", { status: "rejected", reason: "no", deliveries: 2 }), answers: [["1", "rejected"]] },
    { receipt: receiptOf("m", { checksum: "sha256:y" }), answers: [["1", "rejected"]] },
    { receipt: receiptOf("m", { status: "received", deliveries: 2 }), answers: [] },
  ];
  for (const { receipt, answers: expected } of cases) {
    const { take, answers, places } = processorOn(async () => ({ ok: true, rows: [receipt] }), [messageOf("m")]);
    take();
    await until(() => places.size() === 0, 1_000, "the end");
    assert.deepEqual(answers, expected);
  }
});

test("CONCLUDE-2: a message that cannot be stored is rejected, and its place released", async () => {
  const { take, answers, places, counts } = processorOn(async () => failed("22021"), [messageOf("m")]);
  take();
  await until(() => places.size() === 0, 1_000, "the end");
  assert.deepEqual([answers, counts.messages.unusable], [[["1", "rejected"]], 1]);
});

test("PROCESSOR-1: a fault of acktor in a batch releases its places; the next batch is processed", async () => {
  const { take, places, guard } = processorOn(async () => ({ ok: true, rows: [] }), []);
  take();
  take();
  await until(() => places.size() === 0, 1_000, "the places");
  assert.ok(guard.failures >= 1);
});

test("PROCESSOR-2: a fault of acktor in a batch cancels the handlers that began, and ends the lease of the batch", async () => {
  const tasks: Task[] = [];
  const verbs: Partial<Inbox> = {
    beginBatch: async () => ({ ok: true, rows: [{ begun: true }] }),
    async endBatch({ ids }) {
      ended.push(...ids);
      return { ok: true, rows: [] };
    },
  };
  const ended: string[] = [];
  const runs: Pick<HandlerRuns, "begin"> = {
    begin(message) {
      const task = new Task(message, { ask: () => undefined }, { write: () => undefined });
      tasks.push(task);
      return task;
    },
  };
  const receive = () => Promise.reject(new Error("on purpose"));
  const { take, places } = processorOn(receive, [messageOf("m")], verbs, runs as HandlerRuns);
  take();
  await until(() => places.size() === 0, 1_000, "the places");
  assert.deepEqual([ended, tasks.map(({ state }) => state.kind)], [["m"], ["DONE"]]);
});

test("VERIFIER-1, VERIFIER-2: a fault at one arrival drops this one; other work has its turn between large ones", async () => {
  const parts = partsOf();
  const rules = { ackPrefix: "ack", presencePrefix: "acker", trust: null, topics: new TopicMap() };
  let notes = 0;
  const deliveries = {
    watched: true,
    note: () => {
      if (++notes === 2) throw new Error("on purpose");
    },
  };
  const verifier = new Verifier({ ...parts, ...rules, deliveries });
  const envelope = (id: string) => Buffer.from(JSON.stringify({ message_id: id, content: "x".repeat(1_500_000) }));
  const arrivals = ["a", "b", "c"].map((id) => ({ ...heldOf(), payload: envelope(id) }));
  for (const held of arrivals) parts.places.hold(held);
  let turns = 0;
  setImmediate(() => turns++);
  const groups = await verifier.verify(arrivals);
  assert.deepEqual([groups.length, parts.places.size(), parts.counts.messages.malformed], [2, 2, 1]);
  assert.equal(turns, 1);
});
