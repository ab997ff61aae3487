/** What goes into PostgreSQL comes out of it: arrays, parameters, times. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { pgArray } from "@acktor/shared/db/pool";
import fc from "fast-check";
import { rowsOf, testPool } from "../support/outbox.ts";
import { testDatabase } from "../support/postgres.ts";

/** Texts that array literals, SQL and UTF-8 have opinions about. */
const text = fc
  .oneof(
    fc.constantFrom(
      "",
      "NULL",
      "null",
      '"',
      "\\",
      "{",
      "}",
      ",",
      "{}",
      "a,b",
      'a"b\\c',
      "\n",
      " ",
      " a ",
      "'",
      "--",
      "$1",
    ),
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "binary" }).filter((value) => value.isWellFormed()),
    fc.string({ unit: fc.constantFrom('"', "\\", "{", "}", ",", " ", "N", "U", "L", "🛰", "\u0001", "\u2028") }),
  )
  .filter((value) => !value.includes("\u0000"));

test("an array of texts comes back as it was, nulls and all", async (t) => {
  const pool = testPool(t, (await testDatabase(t)).url);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(text), { maxLength: 20 }), async (values) => {
      const rows = rowsOf(
        await pool.run<{ value: string | null }>(
          "select value from unnest($1::text[]) with ordinality u(value, n) order by n",
          [pgArray(values)],
        ),
      );
      assert.deepEqual(
        rows.map((row) => row.value),
        values,
      );
    }),
    { numRuns: 150 },
  );
});

test("arrays of numbers and booleans come back as they were", async (t) => {
  const pool = testPool(t, (await testDatabase(t)).url);
  const number = fc.double({ noNaN: true }).map((value) => value + 0);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.option(number), { maxLength: 10 }),
      fc.array(fc.option(fc.boolean()), { maxLength: 10 }),
      async (numbers, booleans) => {
        const [row] = rowsOf(
          await pool.run<{ numbers: number[]; booleans: boolean[] }>(
            "select array_to_json($1::float8[]::text[]) numbers, array_to_json($2::boolean[]) booleans",
            [pgArray(numbers), pgArray(booleans)],
          ),
        );
        const read = row?.numbers.map((value) => (value === null ? null : Number(value)));
        assert.deepEqual([read, row?.booleans], [numbers, booleans]);
      },
    ),
    { numRuns: 50 },
  );
});

test("a text parameter comes back as it was", async (t) => {
  const pool = testPool(t, (await testDatabase(t)).url);
  await fc.assert(
    fc.asyncProperty(text, async (value) => {
      assert.deepEqual(rowsOf(await pool.run("select $1::text as value", [value])), [{ value }]);
    }),
    { numRuns: 50 },
  );
});

test("a time keeps its microseconds, and is UTC, in every time zone of the server", async (t) => {
  const { url, name } = await testDatabase(t);
  rowsOf(await testPool(t, url).run(`alter database ${name} set timezone to 'Asia/Tokyo'`));
  const pool = testPool(t, url);
  const at = "2026-06-01T12:34:56.123456Z";
  assert.deepEqual(rowsOf(await pool.run("select $1::text::timestamptz as at", [at])), [{ at }]);
  const whole = "2026-06-01T12:34:56Z";
  assert.deepEqual(rowsOf(await pool.run("select $1::text::timestamptz as at", ["2026-06-01T14:34:56+02:00"])), [
    { at: whole },
  ]);
});

test("several statements in one go are one transaction", async (t) => {
  const pool = testPool(t, (await testDatabase(t)).url);
  const failed = await pool.run("create table half (); select 1 / 0", [], { simple: true });
  assert.equal(failed.ok, false);
  assert.deepEqual(rowsOf(await pool.run("select to_regclass('half') is null as gone")), [{ gone: true }]);
});
