/** Fragments: values are parameters whatever they are, and which of them may share a statement. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Fragment, isPlainInsert, isQuery, renderAll, shapeOf, sql } from "@acktor/acker/inbox/fragment";
import { piecesOf } from "@acktor/acker/inbox/statement-sizes";

test("values become parameters, as text that PostgreSQL reads by their type", () => {
  const evil = "'); drop table x; --";
  const fragment = sql`insert into t values (${evil}, ${1.5}, ${10n}, ${true}, ${null}, ${new Date(0)}, ${Uint8Array.of(0, 255)})`;
  assert.deepEqual(fragment.values, [evil, "1.5", "10", true, null, "1970-01-01T00:00:00.000Z", "\\x00ff"]);
  assert.deepEqual(renderAll([fragment], 4), ["insert into t values ($4, $5, $6, $7, $8, $9, $10)"]);
  assert.equal(sql`select ${"a\u{d800}"}`.values[0], "a\ufffd");
  for (const bad of [undefined, {}, [], () => 1, Symbol("x"), "\u0000"]) {
    assert.throws(() => sql`select ${bad as never}`, TypeError);
  }
});

test("inserts of one row become one insert of many; other shapes stay as they are", () => {
  const many = (...fragments: Fragment[]): string[] => renderAll(fragments, 11);
  assert.deepEqual(many(sql`insert into t (a, b) values (${1}, ${2})`, sql`insert into t (a, b) values (${3}, ${4})`), [
    "insert into t (a, b) values ($11, $12),($13, $14)",
  ]);
  const casts = (n: number): Fragment =>
    sql`insert into s.t values (${n}::text::jsonb, ${n} :: numeric) on conflict do nothing`;
  assert.deepEqual(many(casts(1), casts(2)), [
    "insert into s.t values ($11::text::jsonb, $12 :: numeric),($13::text::jsonb, $14 :: numeric) on conflict do nothing",
  ]);
  const call = (n: number): Fragment => sql`insert into t values (lower(${n}), now())`;
  assert.deepEqual(many(call(1), call(2)), [
    "insert into t values (lower($11), now())",
    "insert into t values (lower($12), now())",
  ]);
  const literal = (n: number): Fragment => sql`insert into t (a) values (${n}, '),(')`;
  assert.equal(many(literal(1), literal(2)).length, 2);
  assert.deepEqual(many(), []);
});

test("only plain inserts share a statement", () => {
  const plain = [
    sql`insert into t values (${1})`,
    sql`  INSERT INTO t (a) values (${1}) on conflict do nothing`,
    sql`insert into t values (lower(${1}), now())`,
  ];
  const others = [
    sql`update t set a = ${1}`,
    sql`delete from t`,
    sql`insert into t select ${1}`,
    sql`insert into t values (${1}) on conflict (a) do update set a = 2`,
    sql`insert into t values ((select max(a) from t where b = ${1}))`,
    sql`with x as (select 1) insert into t values (${1})`,
    sql`merge into t using s on true when matched then delete`,
    sql`select f(${1})`,
  ];
  for (const fragment of plain) assert.ok(isPlainInsert(fragment), shapeOf(fragment));
  for (const fragment of others) assert.ok(!isPlainInsert(fragment), shapeOf(fragment));
  assert.ok(isQuery(sql`select f(${1})`) && !isQuery(sql`insert into t values (${1})`));
  assert.equal(shapeOf(sql`insert into t values (${1})`), shapeOf(sql`insert into t values (${2})`));
  assert.notEqual(shapeOf(sql`insert into t values (${1})`), shapeOf(sql`insert into u values (${1})`));
});

test("a batch goes in few statements, all of it, in order", () => {
  for (let count = 0; count <= 500; count++) {
    const items = Array.from({ length: count }, (_, i) => i);
    const pieces = piecesOf(items);
    assert.deepEqual(pieces.flat(), items);
    assert.ok(pieces.length <= 4, `${count} in ${pieces.length}`);
  }
});
