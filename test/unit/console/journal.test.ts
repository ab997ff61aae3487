/** The journal: bounded, with gaps, without repeated events; a recording has the same rows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ActorEvent, DeliveriesEvent, InspectEvent } from "@acktor/shared/inspect/wire";
import fc from "fast-check";
import {
  actorKey,
  Journal,
  MAX_ROWS,
  type Row,
  stateAt,
} from "../../../services/publisher/console/src/state/journal.ts";
import { readRecording, toJsonLines } from "../../../services/publisher/console/src/state/recording.ts";

const STAMP = { v: 1, ts: 1_000, service: "publisher", instance: "p", boot: "b" } as const;

function moved(seq: number, over: Partial<ActorEvent> = {}): ActorEvent {
  const actor = { actor: "link", machine: "link", value: "CONNECTED", context: {}, delays: [], can: [] };
  return { ...STAMP, seq, kind: "transition", event: "link.connect", edges: [], ...actor, ...over };
}

function delivered(seq: number, steps: number, counted = steps): DeliveriesEvent {
  const step = { step: "received", message_id: "m", ts: 1, topic: "a" } as const;
  return { ...STAMP, seq, kind: "deliveries", counts: { received: counted }, steps: Array(steps).fill(step) };
}

/** What a reader sees of rows; numbers are the journal's own. */
function seen(rows: readonly Row[]): unknown[] {
  return rows.map(({ kind, ts, event, step, lost }) => ({ kind, ts, event, step, lost }));
}

function kinds(journal: Journal): string[] {
  return journal.rows.map(({ kind, lost }) => (kind === "gap" ? `gap ${lost}` : kind));
}

test("JOURNAL-2: an event is a row, its steps are rows, steps that are only counted are one more", () => {
  const journal = new Journal();
  for (const event of [moved(1), delivered(2, 3), delivered(3, 1, 9), delivered(4, 0)]) assert.ok(journal.add(event));
  assert.deepEqual(kinds(journal), ["actor", "step", "step", "step", "step", "counts", "counts"]);
});

test("JOURNAL-3: a gap in the numbers is a row; a known event adds none", () => {
  const journal = new Journal();
  for (const seq of [5, 6, 9]) journal.add(moved(seq));
  assert.equal(journal.add(moved(6)), false);
  journal.add(moved(1, { boot: "another" }));
  assert.deepEqual(kinds(journal), ["actor", "actor", "gap 2", "actor", "actor"]);
  journal.skipTo("b", 20);
  journal.add(moved(21));
  assert.deepEqual(kinds(journal).slice(5), ["actor"], "events up to 20 are known from a snapshot");
});

test("JOURNAL-1: the number of rows has a bound, and events are dropped with all their rows", () => {
  const journal = new Journal();
  for (let seq = 1; seq <= 3 * MAX_ROWS; seq++) {
    journal.add(delivered(seq, 4));
    assert.ok(journal.rows.length <= MAX_ROWS * 1.1 + 4);
  }
  assert.ok(journal.rows.length >= MAX_ROWS - 4);
  assert.equal(journal.rows.length % 4, 0, "no event loses only some of its rows");
});

test("an actor at a row is its last event up to it", () => {
  const journal = new Journal();
  journal.add(moved(1, { value: "CONNECTING" }));
  journal.add(delivered(2, 1));
  journal.add(moved(3, { value: "RUNNING", actor: "supervisor" }));
  journal.add(moved(4, { value: "CONNECTED" }));
  const { rows } = journal;
  const at = (index: number) => stateAt(rows, actorKey(moved(1)), rows[index]?.number ?? -1)?.value;
  assert.deepEqual([at(0), at(1), at(2), at(3)], ["CONNECTING", "CONNECTING", "CONNECTING", "CONNECTED"]);
  assert.equal(stateAt(rows, "publisher/p/dispatcher", 100), null);
});

test("JOURNAL-2: an opened recording has the saved rows, also after losses and drops", () => {
  const event = fc.record({
    skip: fc.constantFrom(1, 1, 1, 2, 7),
    boot: fc.constantFrom("a", "b"),
    steps: fc.integer({ min: -1, max: 60 }),
  });
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 400 }), fc.nat(50), (drawn, known) => {
      const journal = new Journal();
      const seqs = new Map<string, number>();
      for (const [index, { skip, boot, steps }] of drawn.entries()) {
        const seq = (seqs.get(boot) ?? 0) + skip;
        seqs.set(boot, seq);
        const made: InspectEvent = steps < 0 ? moved(seq, { boot }) : { ...delivered(seq, steps, steps + 1), boot };
        journal.add(made, index < known ? 0 : undefined);
      }
      const opened = readRecording("x", toJsonLines(journal.rows, []));
      assert.ok(opened.ok);
      assert.deepEqual(seen(opened.recording.journal.rows), seen(journal.rows));
    }),
    { numRuns: 30 },
  );
});

test("RECORDING-1: an invalid file is refused with the line", () => {
  const text = toJsonLines([], []);
  const refused = (broken: string): string => {
    const opened = readRecording("x", broken);
    if (opened.ok) return "opened";
    return opened.fault === "too_large" ? opened.fault : `${opened.line} ${opened.fault.field} ${opened.fault.wanted}`;
  };
  assert.equal(refused(text), "opened");
  assert.equal(refused(""), "1  object");
  assert.equal(refused("[]"), "1  object");
  assert.equal(refused(text.replace('"v":1', '"v":2')), "1 v recording");
  assert.equal(refused(`${text}{"v":1,"kind":"transition"}\n`), "2 ts time");
  assert.equal(refused(`${text}${JSON.stringify(moved(1))}\nnonsense`), "3  object");
});
