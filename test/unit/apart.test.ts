/** A batch with rows that fail. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { apart } from "@acktor/shared/db/apart";
import type { DbFailure, DbResult } from "@acktor/shared/db/pool";
import fc from "fast-check";

function failing(code: string, kind: DbFailure["kind"] = "rejected"): DbFailure {
  return { kind, code, message: "no", maybeCommitted: false, constraint: null };
}

/** Fails as a whole where one of the bad ones is in it, as a statement does. */
function table(bad: ReadonlySet<number>, failure = failing("22003")) {
  const made = { statements: 0, written: [] as number[], given: [] as number[] };
  const run = async (part: readonly number[]): Promise<DbResult<number>> => {
    made.statements++;
    if (part.some((one) => bad.has(one))) return { ok: false, failure };
    made.written.push(...part);
    return { ok: true, rows: part };
  };
  return { made, run, shelf: { add: (one: number) => void made.given.push(one) } };
}

test("APART-1 and APART-3: whichever rows fail, all others are written once, in order, with at most 2n statements", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 200 }), fc.array(fc.integer({ min: 0, max: 199 })), async (n, bad) => {
      const items = Array.from({ length: n }, (_, at) => at);
      const { made, run, shelf } = table(new Set(bad));
      const result = await apart(items, run, shelf);
      const good = items.filter((one) => !bad.includes(one));
      assert.deepEqual(result, { ok: true, rows: good });
      assert.deepEqual(made.written, good);
      assert.deepEqual(
        made.given,
        items.filter((one) => bad.includes(one)),
      );
      assert.ok(made.statements <= 2 * n);
    }),
    { numRuns: 200 },
  );
});

test("APART-2: a failure of rights, or a database that is away, is the batch's, after one statement", async () => {
  for (const failure of [failing("42501"), failing("ECONNREFUSED", "unavailable"), failing("53100", "unavailable")]) {
    const { made, run, shelf } = table(new Set([1]), failure);
    assert.deepEqual(await apart([0, 1, 2], run, shelf), { ok: false, failure, rows: [] });
    assert.equal(made.statements, 1);
    assert.deepEqual(made.given, []);
  }
});

test("APART-4: when the database fails between two parts, the rows of the first part are in the result", async () => {
  const failure = failing("08006", "unavailable");
  const run = async (part: readonly number[]): Promise<DbResult<number>> => {
    if (part.length === 4) return { ok: false, failure: failing("22003") };
    return part.includes(0) ? { ok: true, rows: part } : { ok: false, failure };
  };
  assert.deepEqual(await apart([0, 1, 2, 3], run, { add: () => assert.fail() }), { ok: false, failure, rows: [0, 1] });
});

test("an empty batch that fails has no row to blame", async () => {
  const failure = failing("22003");
  const run = async (): Promise<DbResult<never>> => ({ ok: false, failure });
  assert.deepEqual(await apart([], run, { add: () => assert.fail() }), { ok: false, failure, rows: [] });
});
