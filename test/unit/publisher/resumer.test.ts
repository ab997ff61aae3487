/** Births are resumed page by page, all that come meanwhile with the next page, and left where the database is away. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Resumer } from "@acktor/publisher/control/resumer";
import type { Birth } from "@acktor/publisher/outbox/resume-matching";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
import { AWAY } from "../../support/db-results.ts";
import { keptLogger } from "../../support/kept-logger.ts";
import { testClock } from "../../support/test-clock.ts";
import { until } from "../../support/until.ts";

interface Asked {
  readonly after: string;
  readonly birth: Birth;
  /** @param next null after the last page */
  page(next: string | null): void;
  fail(): void;
}

const ID = (n: number): string => `00000000-0000-0000-0000-00000000000${n}`;

/** An outbox without parked destinations; the test gives its pages of waiting rows. */
function rig() {
  const asked: Asked[] = [];
  const log = keptLogger();
  const counts = { resumed: 0 };
  const resumer = new Resumer({
    outbox: {
      releaseParked: async () => ({ ok: true, value: { next: null, destinations: [] } }),
      freeReleased: async () => ({ ok: true, value: { freed: 0, more: false } }),
      resume: (after, birth) =>
        new Promise((resolve) => {
          asked.push({
            after,
            birth,
            page: (next) => resolve({ ok: true, value: { next, rows: 1 } }),
            fail: () => resolve(AWAY),
          });
        }),
    },
    parked: { isParked: (name) => name === "parked" },
    doorbell: {
      ringForKnownRows() {
        counts.resumed++;
      },
    },
    troubles: NO_TROUBLES,
    logger: log.logger,
    clock: testClock(),
  });
  const nth = async (n: number): Promise<Asked> => until(() => asked[n], 2_000);
  return { resumer, asked, nth, counts, log };
}

test("RESUMER-3: a birth during a walk joins at the next page, and covers every page once", async () => {
  const { resumer, nth, asked } = rig();
  resumer.add(["a/#"]);
  (await nth(0)).page(ID(1));
  const second = await nth(1);
  assert.equal(second.after, ID(1));
  assert.equal(second.birth.tree.matches("b"), false);
  resumer.add(["b", "c/+"]);
  resumer.add(["b"]);
  second.page(ID(2));
  const third = await nth(2);
  assert.deepEqual([third.after, third.birth.tree.matches("b"), third.birth.tree.matches("a/1")], [ID(2), true, true]);
  third.page(null);
  const fourth = await nth(3);
  assert.equal(fourth.after, ID(0), "once more from the start");
  fourth.page(ID(1));
  const fifth = await nth(4);
  fifth.page(ID(2));
  await resumer.stop();
  assert.equal(asked.length, 5, "where the last one joined the walk ends");
});

test("a walk ends where the last one joined, also when rows there are gone", async () => {
  const { resumer, nth, asked, counts } = rig();
  resumer.add(["a/#"]);
  (await nth(0)).page(ID(5));
  const second = await nth(1);
  resumer.add(["b"]);
  second.page(ID(6));
  (await nth(2)).page(null);
  (await nth(3)).page(null);
  await until(() => counts.resumed === 4, 2_000);
  resumer.add(["c"]);
  const next = await nth(4);
  assert.deepEqual([next.after, next.birth.tree.matches("a/1"), next.birth.tree.matches("c")], [ID(0), false, true]);
  next.page(null);
  await resumer.stop();
  assert.equal(asked.length, 5);
});

test("a destination that ignores births is not released", async () => {
  const { resumer, nth } = rig();
  resumer.add(["#"]);
  const { birth, page } = await nth(0);
  assert.deepEqual([birth.releases("parked"), birth.releases("other")], [false, true]);
  page(null);
  await resumer.stop();
});

test("RESUMER-1, WAITING-1: more filters than may wait become one for everything", async () => {
  const { resumer, nth } = rig();
  resumer.add(["first"]);
  const first = await nth(0);
  for (let i = 0; i < 6; i++) resumer.add(Array.from({ length: 100 }, (_, n) => `t/${i}/${n}`));
  first.page(ID(1));
  const second = await nth(1);
  assert.deepEqual([second.birth.tree.matches("whatever"), second.birth.prefixes], [true, [""]]);
  second.page(null);
  (await nth(2)).page(ID(1));
  await resumer.stop();
});

test("RESUMER-4: an unreachable database is logged; the rows come due by their own schedule, and the next birth works", async () => {
  const { resumer, nth, counts, log } = rig();
  resumer.add(["a"]);
  (await nth(0)).fail();
  await until(() => log.lines.length === 1, 2_000);
  assert.equal(counts.resumed, 0);
  resumer.add(["b"]);
  const second = await nth(1);
  assert.deepEqual([second.birth.tree.matches("a"), second.birth.tree.matches("b")], [false, true]);
  second.page(null);
  await until(() => counts.resumed === 1, 2_000);
  await resumer.stop();
});

test("RESUMER-2: a stop ends the walk between two pages; it may be called early and twice", async () => {
  const { resumer, nth, asked } = rig();
  await rig().resumer.stop();
  resumer.add(["a"]);
  const first = await nth(0);
  resumer.add(["b"]);
  const stopped = Promise.all([resumer.stop(), resumer.stop()]);
  first.page(ID(1));
  await stopped;
  resumer.add(["c"]);
  await resumer.stop();
  assert.equal(asked.length, 1);
});
