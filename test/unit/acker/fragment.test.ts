/** Fragments: every value is a parameter, and which fragments may share a statement. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Fragment, isQuery, render, shapeOf, sql } from "@acktor/acker/inbox/fragment";
import { insertRows, rowShapeOf } from "@acktor/acker/inbox/insert-rows";
import { piecesOf } from "@acktor/acker/inbox/statement-sizes";

// FRAGMENT-1
test("values become parameters, as text that PostgreSQL reads by their type", () => {
  const evil = "'); drop table x; --";
  const fragment = sql`insert into t values (${evil}, ${1.5}, ${10n}, ${true}, ${null}, ${new Date(0)}, ${Uint8Array.of(0, 255)})`;
  assert.deepEqual(fragment.values, [evil, "1.5", "10", true, null, "1970-01-01T00:00:00.000Z", "\\x00ff"]);
  assert.equal(render(fragment, 4), "insert into t values ($4, $5, $6, $7, $8, $9, $10)");
  assert.equal(sql`select ${"a\u{d800}"}`.values[0], "a\ufffd");
  for (const bad of [undefined, {}, [], () => 1, Symbol("x"), "\u0000"]) {
    assert.throws(() => sql`select ${bad as never}`, TypeError);
  }
});

test("inserts of one row become one insert of arrays, whose text does not depend on how many they are", () => {
  const many = (types: string[], ...fragments: Fragment[]) => {
    const shape = rowShapeOf(fragments[0] ?? assert.fail());
    return shape === null ? assert.fail("no row") : insertRows(shape, types, fragments, 11);
  };
  const row = (a: number, b: string | null): Fragment => sql`insert into t (a, b) values (${a}, ${b})`;
  assert.deepEqual(many(["integer", "text"], row(1, 'x"\\'), row(2, null)), {
    text: "insert into t (a, b) select r.v0, r.v1 from unnest($11::integer[], $12::text[]) r(v0, v1) ",
    params: ['{"1","2"}', '{"x\\"\\\\",NULL}'],
  });
  const cast = (n: number): Fragment =>
    sql`insert into s.t values (${n}::text::jsonb, ${n} :: numeric) on conflict do nothing`;
  assert.equal(
    many(["text", "numeric"], cast(1), cast(2)).text,
    "insert into s.t select r.v0::text::jsonb, r.v1:: numeric from unnest($11::text[], $12::numeric[]) r(v0, v1) on conflict do nothing",
  );
});

test("other inserts have no such form", () => {
  for (const fragment of [
    sql`insert into t values (lower(${1}), now())`,
    sql`insert into t (a) values (${1}, '),(')`,
    sql`insert into t (a) values (${1}, default)`,
    sql`insert into t (a) values (${1}), (${2})`,
    sql`insert into t (a) values (${1}) returning a`,
    sql`insert into t; delete from u; insert into t (a) values (${1})`,
    sql`insert into t (a) values (1)`,
    sql`insert into t default values`,
  ]) {
    assert.equal(rowShapeOf(fragment), null, shapeOf(fragment).key);
  }
});

// FRAGMENT-2
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
  for (const fragment of plain) assert.ok(shapeOf(fragment).isPlainInsert, shapeOf(fragment).key);
  for (const fragment of others) assert.ok(!shapeOf(fragment).isPlainInsert, shapeOf(fragment).key);
  assert.ok(isQuery(sql`select f(${1})`) && !isQuery(sql`insert into t values (${1})`));
  assert.equal(shapeOf(sql`insert into t values (${1})`).key, shapeOf(sql`insert into t values (${2})`).key);
  assert.notEqual(shapeOf(sql`insert into t values (${1})`).key, shapeOf(sql`insert into u values (${1})`).key);
});

test("a batch is written completely, in few statements, in order", () => {
  for (let count = 0; count <= 500; count++) {
    const items = Array.from({ length: count }, (_, i) => i);
    const pieces = piecesOf(items);
    assert.deepEqual(pieces.flat(), items);
    assert.ok(pieces.length <= 4, `${count} in ${pieces.length}`);
  }
});
