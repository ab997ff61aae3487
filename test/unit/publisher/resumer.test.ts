/** Births of wildcards are resumed page by page, all that come meanwhile with the next page; those of topics by index. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Resumer } from "@acktor/publisher/control/resumer";
import { type Place, placeOf, type ServedPlace } from "@acktor/publisher/outbox/serve-places";
import type { Birth } from "@acktor/publisher/outbox/walk-waiting";
import type { DbResult } from "@acktor/shared/db/pool";
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

/** Places that were asked for; the test answers. */
interface Served {
  readonly places: readonly Place[];
  /** @param more where more may wait */
  done(more?: string): void;
  fail(): void;
}

/** The test gives the pages of waiting rows, and answers for places. */
function rig() {
  const asked: Asked[] = [];
  const served: Served[] = [];
  const log = keptLogger();
  const counts = { resumed: 0 };
  const resumer = new Resumer({
    outbox: {
      serve: (places) =>
        new Promise((resolve) => {
          const rows = (more?: string): ServedPlace[] =>
            places.map((place) => ({ ...place, moved: 1, more: place.topic === more }));
          const answer = (result: DbResult<ServedPlace>): void => resolve(result);
          served.push({ places, done: (more) => answer({ ok: true, rows: rows(more) }), fail: () => answer(AWAY) });
        }),
      walk: (after, birth) =>
        new Promise((resolve) => {
          asked.push({
            after,
            birth,
            page: (next) => resolve({ ok: true, value: { next, rows: 1 } }),
            fail: () => resolve(AWAY),
          });
        }),
    },
    memory: { ignoresBirths: () => false, resume: () => undefined },
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
  const nthServed = async (n: number): Promise<Served> => until(() => served[n], 2_000);
  return { resumer, asked, nth, served, nthServed, counts, log };
}

test("WALK-3: a birth during a walk joins at the next page, and covers every page once", async () => {
  const { resumer, nth, asked } = rig();
  resumer.add(["a/+"]);
  (await nth(0)).page(ID(1));
  const second = await nth(1);
  assert.equal(second.after, ID(1));
  assert.equal(second.birth.tree.matches("x/b"), false);
  resumer.add(["+/b", "c/+"]);
  resumer.add(["+/b"]);
  second.page(ID(2));
  const third = await nth(2);
  assert.deepEqual(
    [third.after, third.birth.tree.matches("x/b"), third.birth.tree.matches("a/1")],
    [ID(2), true, true],
  );
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
  resumer.add(["a/+"]);
  (await nth(0)).page(ID(5));
  const second = await nth(1);
  resumer.add(["+/b"]);
  second.page(ID(6));
  (await nth(2)).page(null);
  (await nth(3)).page(null);
  await until(() => counts.resumed === 4, 2_000);
  resumer.add(["+/c"]);
  const next = await nth(4);
  assert.deepEqual([next.after, next.birth.tree.matches("a/1"), next.birth.tree.matches("x/c")], [ID(0), false, true]);
  next.page(null);
  await resumer.stop();
  assert.equal(asked.length, 5);
});

test("WALK-1, WAITING-1: more filters than may wait become one for everything", async () => {
  const { resumer, nth } = rig();
  resumer.add(["first/+"]);
  const first = await nth(0);
  for (let i = 0; i < 21; i++) resumer.add(Array.from({ length: 100 }, (_, n) => `+/${i}/${n}`));
  first.page(ID(1));
  const second = await nth(1);
  assert.deepEqual([second.birth.tree.matches("whatever"), second.birth.prefixes], [true, [""]]);
  second.page(null);
  (await nth(2)).page(ID(1));
  await resumer.stop();
});

test("WALK-4: an unreachable database is logged; the rows come due by their own schedule, and the next birth works", async () => {
  const { resumer, nth, counts, log } = rig();
  resumer.add(["a/+"]);
  (await nth(0)).fail();
  await until(() => log.lines.length === 1, 2_000);
  assert.equal(counts.resumed, 0);
  resumer.add(["b/+"]);
  const second = await nth(1);
  assert.deepEqual([second.birth.tree.matches("a/1"), second.birth.tree.matches("b/1")], [false, true]);
  second.page(null);
  await until(() => counts.resumed === 1, 2_000);
  await resumer.stop();
});

test("WALK-2: a stop ends the walk between two pages; it may be called early and twice", async () => {
  const { resumer, nth, asked } = rig();
  await rig().resumer.stop();
  resumer.add(["a/+"]);
  const first = await nth(0);
  resumer.add(["b/+"]);
  const stopped = Promise.all([resumer.stop(), resumer.stop()]);
  first.page(ID(1));
  await stopped;
  resumer.add(["c/+", "c"]);
  await resumer.stop();
  assert.equal(asked.length, 1);
});

test("a topic, and everything below one, are served while a walk is under way; births share a statement", async () => {
  const { resumer, nth, nthServed, asked, served } = rig();
  resumer.add(["+/x", "a/1", "b/#"]);
  await nth(0);
  const first = await nthServed(0);
  assert.deepEqual(first.places, [{ topic: "a/1", below: false }]);
  resumer.add(["c"]);
  resumer.add(["c", "d/#"]);
  first.done();
  const second = await nthServed(1);
  assert.deepEqual(
    second.places.map(({ topic }) => topic),
    ["b", "c", "d"],
  );
  second.done();
  asked[0]?.page(null);
  await resumer.stop();
  assert.deepEqual([asked.length, served.length], [1, 2]);
});

test("which filters are places", () => {
  const places = ["a/b", "a/b/#", "/#", "#", "a/+", "+/b/#", "a/+/#"].map(placeOf);
  assert.deepEqual(places, [
    { topic: "a/b", below: false },
    { topic: "a/b", below: true },
    { topic: "", below: true },
    ...[null, null, null, null],
  ]);
});

test("PLACE_SERVER-2: a place with many messages takes turns with the others, and its rest is left to the walk", async () => {
  const { resumer, nth, nthServed, served } = rig();
  resumer.add(["much", "little"]);
  for (let turn = 0; turn < 8; turn++) (await nthServed(turn)).done("much");
  const { birth, page } = await nth(0);
  assert.deepEqual([birth.tree.matches("much"), birth.tree.matches("little")], [true, false]);
  page(null);
  await resumer.stop();
  assert.deepEqual(
    served.map(({ places }) => places.map(({ topic }) => topic).join()),
    ["much", "little,much", ...Array(6).fill("much")],
  );
});

test("PLACE_SERVER-1: more places than may wait are left to the walk", async () => {
  const { resumer, nth, nthServed } = rig();
  resumer.add(Array.from({ length: 5_000 }, (_, n) => `devices/${n}`));
  const { birth, page } = await nth(0);
  assert.deepEqual([birth.tree.matches("devices/4097"), birth.tree.matches("devices/4096")], [true, false]);
  page(null);
  const stopped = resumer.stop();
  (await nthServed(0)).done();
  await stopped;
});

test("PLACE_SERVER-3: what fails is tried again, with what has come meanwhile", async () => {
  const { resumer, nthServed, counts } = rig();
  resumer.add(["a"]);
  const first = await nthServed(0);
  resumer.add(["b"]);
  first.fail();
  const second = await nthServed(1);
  assert.deepEqual(second.places.map(({ topic }) => topic).sort(), ["a", "b"]);
  second.done();
  await resumer.stop();
  assert.equal(counts.resumed, 1);
});
