/** The claim's low-water mark: it never passes a row that is not committed yet. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LowWater } from "@acktor/publisher/outbox/low-water";
import fc from "fast-check";

const BASE = Date.parse("2026-01-01T00:00:00Z");

/** A database in miniature: transactions draw an id, read the clock, and end later. */
class Writers {
  next = 100;
  readonly running = new Map<number, number>();
  readonly horizon = (now: number): { at: string; xmin: string; xmax: string } => ({
    at: new Date(BASE + now).toISOString(),
    xmin: String(Math.min(this.next, ...this.running.keys())),
    xmax: String(this.next),
  });
}

// LOW_WATER-1
test("a row that a long transaction holds is never below the mark when it becomes visible", () => {
  const step = fc.record({
    pauseMs: fc.integer({ min: 0, max: 8_000 }),
    begin: fc.boolean(),
    end: fc.option(fc.nat(5), { nil: null }),
    exhausted: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      let now = 0;
      const low = new LowWater(() => now);
      const writers = new Writers();
      const visible: number[] = [];
      for (const { pauseMs, begin, end, exhausted } of steps) {
        now += pauseMs;
        if (begin) writers.running.set(writers.next++, BASE + now);
        const [id, due] = [...writers.running.entries()][end ?? Number.NaN] ?? [];
        if (id !== undefined && due !== undefined) {
          writers.running.delete(id);
          const mark = low.mark;
          assert.ok(mark === null || Date.parse(mark) <= due, `mark ${mark}, row due ${new Date(due).toISOString()}`);
          visible.push(due);
        }
        void low.mark;
        visible.sort((a, b) => a - b);
        const picked = exhausted ? visible.splice(0) : visible.splice(0, 1);
        const oldestDue = picked[0] === undefined ? null : new Date(picked[0]).toISOString();
        low.claimed({ horizon: writers.horizon(now), oldestDue }, exhausted);
        const mark = low.mark;
        for (const due of visible) assert.ok(mark === null || Date.parse(mark) <= due, "a row that was left behind");
      }
    }),
    { numRuns: 300 },
  );
});

// LOW_WATER-2
test("the mark follows the clock while nothing runs long, and is lifted every 30 s", () => {
  let now = 0;
  const low = new LowWater(() => now);
  const writers = new Writers();
  let lifted = 0;
  for (; now <= 120_000; now += 1_000) {
    const mark = low.mark;
    if (mark === null) lifted++;
    else assert.ok(BASE + now - Date.parse(mark) <= 14_000, `${now}: ${mark}`);
    writers.next++;
    low.claimed({ horizon: writers.horizon(now), oldestDue: null }, true);
  }
  assert.ok(lifted >= 4 && lifted <= 8, `${lifted} full scans in two minutes`);
});
