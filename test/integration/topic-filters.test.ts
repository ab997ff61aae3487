/** Topic filters of principals in PostgreSQL: the same topics as in this process, in bounded time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  allowedTopic,
  MOST_FILTER_LENGTH,
  MOST_FILTERS,
  MOST_WILD,
  MOST_WILD_LENGTH,
  TopicFilters,
} from "@acktor/publisher/principals/topic-filters";
import { type Pool, pgArray } from "@acktor/shared/db/pool";
import fc from "fast-check";
import { rowsOf, testPool } from "../support/outbox.ts";
import { testDatabase } from "../support/postgres.ts";
import { postgresVersions } from "../support/test-server.ts";

/** As long as one page of a list reads. */
const ROWS = 20_000;

async function selected(pool: Pool, filters: TopicFilters, topics: readonly string[]): Promise<string[]> {
  const text = `select topic from unnest($1::text[]) with ordinality t(topic, n) where ${allowedTopic("topic", 2)} order by n`;
  const rows = rowsOf(await pool.run<{ topic: string }>(text, [pgArray(topics), ...filters.params()]));
  return rows.map(({ topic }) => topic);
}

for (const version of postgresVersions()) {
  test(`PostgreSQL ${version}: FILTER-1, SQL selects what the process accepts`, async (t) => {
    const pool = testPool(t, (await testDatabase(t, { version })).url);
    const level = fc.oneof(
      fc.constantFrom("a", "b", "", "é", "x.y", "(z|q)", "a*", "[a]", "\\d", "^a$", "{2}", "_", "%"),
      fc.string({ unit: fc.constantFrom(..."ab.*()[]{}|^$?\\ é"), maxLength: 4 }),
    );
    const name = fc
      .array(level, { minLength: 1, maxLength: 4 })
      .map((levels) => levels.join("/"))
      // Topics that begin with $ cannot be stored.
      .filter((text) => text !== "" && !text.startsWith("$"));
    const filter = fc
      .tuple(
        fc.array(fc.oneof({ weight: 3, arbitrary: level }, fc.constant("+")), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
      )
      .map(([levels, below]) => [...levels, ...(below ? ["#"] : [])].join("/"))
      .filter((text) => text !== "");
    await fc.assert(
      fc.asyncProperty(
        fc.array(filter, { maxLength: 8 }),
        fc.array(name, { minLength: 1, maxLength: 30 }),
        async (list, topics) => {
          const filters = new TopicFilters(list);
          assert.deepEqual(
            await selected(pool, filters, topics),
            topics.filter((topic) => filters.has(topic)),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  test(`PostgreSQL ${version}: FILTER-2, the worst filters take a bounded time for a page`, async (t) => {
    const pool = testPool(t, (await testDatabase(t, { version })).url);
    const topics = Array.from({ length: ROWS }, (_, i) => `${i % 64}/${"abc/".repeat(60)}${i}`);
    const wild = (end: string) => Array.from({ length: MOST_WILD }, (_, i) => `+/+/${"abc/+/".repeat(19)}${i}${end}`);
    const worst: Record<string, string[]> = {
      exact: Array.from({ length: MOST_FILTERS }, (_, i) => `${"x".repeat(MOST_FILTER_LENGTH - 2)}${i}`),
      prefixes: Array.from({ length: MOST_FILTERS }, (_, i) => `${i}/${"abc/".repeat(60)}y/#`),
      "exact wildcards": wild("x"),
      "wildcards with all below": wild("x/#"),
      "wildcards that nearly fit": Array.from({ length: MOST_WILD }, (_, i) => `+/${"+/abc/".repeat(20)}${i}z`),
    };
    for (const [kind, list] of Object.entries(worst)) {
      if (kind.includes("wild")) assert.ok(list.every((one) => one.length <= MOST_WILD_LENGTH));
      const startedAt = performance.now();
      assert.deepEqual(await selected(pool, new TopicFilters(list), topics), []);
      const tookMs = performance.now() - startedAt;
      t.diagnostic(`${list.length} ${kind}, ${ROWS} rows: ${Math.round(tookMs)} ms`);
      assert.ok(tookMs < 8_000, `${kind}: ${tookMs} ms`);
    }
  });
}
