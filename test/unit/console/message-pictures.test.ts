/** A message's timeline, and rows as a sequence diagram: pure. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryStep } from "@acktor/shared/inspect/wire";
import type { MessageTimeline } from "../../../services/publisher/console/src/api/types.ts";
import { Journal } from "../../../services/publisher/console/src/state/journal.ts";
import { matchesRow } from "../../../services/publisher/console/src/views/log/filter.ts";
import { sequenceOf } from "../../../services/publisher/console/src/views/log/sequence.ts";
import { momentsOf } from "../../../services/publisher/console/src/views/messages/moments.ts";
import { FakeInstance } from "../../support/fake-fleet.ts";
import { ID, MESSAGE } from "../../support/fake-publisher.ts";

const MESSAGE_OF_OUTAGE = MESSAGE as unknown as MessageTimeline;

function journalOf(): Journal {
  const journal = new Journal();
  const publisher = new FakeInstance("publisher", "p");
  const acker = new FakeInstance("acker", "a");
  const step = (name: DeliveryStep, time: string) => {
    return { step: name, message_id: ID, ts: Date.parse(`2026-11-26T10:00:${time}Z`), topic: "plant/7/pressure" };
  };
  journal.add(publisher.deliver([step("accepted", "00.000"), step("published", "00.010")]));
  journal.add(publisher.move("link", { connection: "RECONNECTING", breaker: "CLOSED" }, "session.ended"));
  journal.add(publisher.deliver([step("published", "09.000"), step("puback", "09.001")]));
  journal.add(acker.deliver([step("received", "09.050"), step("processed", "09.060"), step("duplicate", "09.070")]));
  journal.add(publisher.deliver([step("acknowledged", "09.120")]));
  return journal;
}

test("the timeline has the outbox's records and the acker's answers, in order", () => {
  const moments = momentsOf(MESSAGE_OF_OUTAGE, journalOf().rows);
  assert.deepEqual(
    moments.map(({ kind, outcome, breaker, who }) => [kind, outcome, breaker, who]),
    [
      ["created", null, null, null],
      ["attempt", "lost", "CLOSED", null],
      ["attempt", "acked", "HALF_OPEN", null],
      ["received", null, null, "a"],
      ["duplicate", null, null, "a"],
      ["acked", "processed", null, "acker-1"],
    ],
  );
  const failed = momentsOf({ ...MESSAGE_OF_OUTAGE, state: "failed", reason: "max_retries", acks: [] }, []);
  assert.deepEqual([failed.at(-1)?.kind, failed.at(-1)?.detail], ["failed", "max_retries"]);
  assert.deepEqual(
    momentsOf({ ...MESSAGE_OF_OUTAGE, message_id: "another" }, journalOf().rows).some(
      ({ kind }) => kind === "received",
    ),
    false,
  );
});

test("the inbox has arrivals that no page saw: first arrival, number of arrivals, time of processing", () => {
  const receipt = {
    received_at: "2026-11-26T10:00:09.050000Z",
    deliveries: 3,
    status: "processed" as const,
    reason: null,
    processed_at: "2026-11-26T10:00:09.055000Z",
  };
  const shown = (moments: ReturnType<typeof momentsOf>) =>
    moments
      .filter(({ kind }) => !["created", "attempt"].includes(kind))
      .map(({ kind, who, times }) => [kind, who, times]);
  assert.deepEqual(shown(momentsOf(MESSAGE_OF_OUTAGE, [], [receipt])), [
    ["received", null, 3],
    ["processed", null, null],
    ["acked", "acker-1", null],
  ]);
  assert.deepEqual(
    shown(momentsOf(MESSAGE_OF_OUTAGE, journalOf().rows, [receipt])),
    [
      ["received", "a", 3],
      ["processed", null, null],
      ["duplicate", "a", null],
      ["acked", "acker-1", null],
    ],
    "an arrival in both is listed once",
  );
});

test("a sequence runs from the caller through publisher and broker to the acker, and back", () => {
  const { lines, steps, left } = sequenceOf(journalOf().rows);
  assert.deepEqual(lines, ["caller", "publisher/p", "publisher/p/link", "broker", "acker/a"]);
  assert.deepEqual(
    steps.map(({ from, to }) => `${from} > ${to}`),
    [
      "caller > publisher/p",
      "publisher/p > broker",
      "publisher/p/link > publisher/p/link",
      "publisher/p > broker",
      "broker > publisher/p",
      "broker > acker/a",
      "acker/a > broker",
      "broker > acker/a",
      "broker > publisher/p",
    ],
  );
  assert.equal(left, 0);
});

test("a long period is cut, and shows how much is omitted", () => {
  const many = Array.from({ length: 30 }, () => journalOf().rows).flat();
  const { steps, left } = sequenceOf(many);
  assert.deepEqual([steps.length, left], [60, many.length - 60]);
});

test("the filter: by actor, by group, by single type, by any text", () => {
  const { rows } = journalOf();
  const count = (over: { actor?: string; type?: string; text?: string }): number => {
    return rows.filter((row) => matchesRow(row, { actor: null, type: "", text: "", ...over })).length;
  };
  assert.equal(count({}), 9);
  assert.equal(count({ actor: "publisher/p/link" }), 1);
  assert.equal(count({ actor: "acker/a" }), 3);
  assert.equal(count({ type: "messages" }), 8);
  assert.equal(count({ type: "machines" }), 1);
  assert.equal(count({ type: "step:published" }), 2);
  assert.equal(count({ type: "event:session.ended" }), 1);
  assert.equal(count({ type: "context" }), 0);
  assert.equal(count({ text: ID.slice(0, 12) }), 8);
  assert.equal(count({ text: ID, type: "step:duplicate", actor: "acker/a" }), 1);
});

test("routine events are omitted until the viewer selects them, their actor, or a text in them", () => {
  const [move] = journalOf().rows.filter(({ kind }) => kind === "actor");
  assert.ok(move !== undefined && move.event.kind === "transition");
  const shows = (event: object, over: { actor?: string; type?: string; text?: string } = {}): boolean => {
    const row = { ...move, event: { ...move.event, actor: "expiry", machine: "periodic", value: "WAITING", ...event } };
    return matchesRow(row as typeof move, { actor: null, type: "", text: "", ...over });
  };
  const poll = { event: "xstate.after.interval.periodic.WAITING" };
  assert.equal(shows(poll), false);
  assert.equal(shows({ event: null }), false, "a transition without an event");
  assert.equal(shows(poll, { type: "machines" }), true);
  assert.equal(shows(poll, { type: "all" }), true);
  assert.equal(shows(poll, { actor: "publisher/p/expiry" }), true);
  assert.equal(shows(poll, { text: "expiry" }), true);
  assert.equal(shows({ event: "work.now" }), true);
  assert.equal(shows({ ...poll, machine: "link" }), true);
  assert.equal(shows({ machine: "dispatcher", event: null, value: "IDLE" }), true, "it was stopped");
});
