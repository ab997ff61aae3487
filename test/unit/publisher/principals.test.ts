/** Principals without a database: the book, the gate, the quotas, the filters. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LOCAL, type Principal } from "@acktor/publisher/principals/principal";
import { EVERY_MS, PrincipalBook } from "@acktor/publisher/principals/principal-book";
import { heldPrincipal, PrincipalGate } from "@acktor/publisher/principals/principal-gate";
import type { PrincipalRow } from "@acktor/publisher/principals/read-principals";
import { RequestRates } from "@acktor/publisher/principals/request-rates";
import { hashOf, makeToken } from "@acktor/publisher/principals/token";
import { MOST_FILTERS, TopicFilters } from "@acktor/publisher/principals/topic-filters";
import { WaitingQuota } from "@acktor/publisher/principals/waiting-quota";
import { filterMatches } from "@acktor/shared/protocol/topics";
import fc from "fast-check";
import type { FastifyRequest } from "fastify";
import { AWAY } from "../../support/db-results.ts";

function row(name: string, token: string, over: Partial<PrincipalRow> = {}): PrincipalRow {
  return {
    name,
    token_hash: hashOf(token),
    scopes: ["read"],
    write_filters: [],
    read_filters: ["#"],
    requests_per_second: null,
    most_waiting: null,
    expires_at: null,
    expires_in_ms: null,
    ...over,
  };
}

/** A book on a table of the test. */
function testBook() {
  const table = { rows: [] as PrincipalRow[], away: false, reads: 0, now: 0, hold: Promise.resolve() };
  const book = new PrincipalBook({
    clock: { now: () => table.now },
    source: {
      async read() {
        table.reads++;
        const { rows, away } = table;
        await table.hold;
        return away ? AWAY : { ok: true, value: rows };
      },
    },
  });
  return { table, book };
}

test("BOOK-2: unknown tokens make it read at most once in 250 ms, and all share one reading", async () => {
  const { table, book } = testBook();
  table.rows = [row("a", "t")];
  const found = await Promise.all(
    Array.from({ length: 1_000 }, (_, i) => book.lookUp(hashOf(i === 500 ? "t" : `x${i}`))),
  );
  assert.deepEqual([table.reads, found.filter((one) => one !== null).map((one) => one.name)], [1, ["a"]]);
  for (table.now = 0; table.now < 250; table.now += 10) assert.equal(await book.lookUp("x"), null);
  assert.equal(table.reads, 1);
  table.now = 250;
  assert.equal(await book.lookUp("x"), null);
  assert.equal(table.reads, 2);
  assert.equal((await book.lookUp(hashOf("t")))?.name, "a");
  assert.equal(table.reads, 2, "known ones cost nothing");
  assert.ok(EVERY_MS < 1_000, "BOOK-1");
});

test("BOOK-3: the last picture holds while PostgreSQL is away, and tokens expire all the same", async () => {
  const { table, book } = testBook();
  table.away = true;
  assert.equal((await book.refresh())?.code, AWAY.failure.code);
  assert.equal(book.isRead, false);
  table.away = false;
  table.rows = [row("a", "a"), row("b", "b", { expires_in_ms: 5_000 })];
  assert.equal(await book.refresh(), null);
  table.away = true;
  table.now = 4_999;
  await book.refresh();
  assert.deepEqual([book.find(hashOf("a"))?.name, book.find(hashOf("b"))?.name, book.size], ["a", "b", 2]);
  table.now = 5_000;
  assert.deepEqual([book.find(hashOf("a"))?.name, book.find(hashOf("b"))], ["a", null]);
});

test("what was committed before is in the book after refreshAfterwards, also when another read is in progress", async () => {
  const { table, book } = testBook();
  let release = (): void => undefined;
  table.hold = new Promise((resolve) => {
    release = resolve;
  });
  const early = book.refresh();
  table.rows = [row("new", "t")];
  const after = book.refreshAfterwards();
  release();
  await Promise.all([early, after]);
  assert.equal(book.find(hashOf("t"))?.name, "new");
});

function requestWith(authorization: string | undefined, route = "/v1/messages", method = "GET"): FastifyRequest {
  return { method, headers: { authorization }, routeOptions: { url: route } } as unknown as FastifyRequest;
}

function testGate(token: string | null) {
  const { table, book } = testBook();
  const gate = new PrincipalGate({ book, rates: new RequestRates({ now: () => table.now }, 10), token });
  const enter = async (authorization: string | undefined, route?: string, method?: string) => {
    const request = requestWith(authorization, route, method);
    const fault = await gate.admit(request);
    return fault?.code ?? heldPrincipal(request)?.name;
  };
  return { table, book, enter };
}

test("PRINCIPAL_GATE-1: without a header the local operator where no token is configured, else a refusal", async () => {
  assert.equal(await testGate(null).enter(undefined), "local");
  const { enter } = testGate("the token of the operators");
  assert.equal(await enter(undefined), "unauthorized");
  assert.equal(await enter("Bearer the token of the operators"), "operator");
  assert.equal(await enter("bearer the token of the operators"), "operator");
});

test("PRINCIPAL_GATE-3: before the table was read, a token is neither accepted nor called wrong", async () => {
  const { table, enter } = testGate("the token of the operators");
  table.away = true;
  assert.equal(await enter("Bearer x"), "database_unavailable");
  assert.equal(await enter("Bearer the token of the operators"), "operator");
  table.away = false;
  table.now = 1_000;
  assert.equal(await enter("Bearer x"), "unauthorized");
  table.away = true;
  table.now = 2_000;
  assert.equal(await enter("Bearer x"), "unauthorized");
});

test("ACCESS-1: a route without an entry admits no one, not an admin either", async () => {
  const { enter } = testGate(null);
  assert.equal(await enter(undefined, "/v1/messages"), "local");
  assert.equal(await enter(undefined, "/v1/messages", "HEAD"), "local");
  assert.equal(await enter(undefined, "/v1/messages", "DELETE"), "forbidden");
  assert.equal(await enter(undefined, "/v1/new"), "forbidden");
});

test("tokens are 256 random bits behind a prefix, and differ", () => {
  const tokens = Array.from({ length: 100 }, makeToken);
  assert.equal(new Set(tokens).size, 100);
  for (const token of tokens) assert.match(token, /^acktor_[A-Za-z0-9_-]{43}$/);
});

const principal = (over: Partial<Principal>): Principal => ({ ...LOCAL, name: "a", sender: "a", ...over });

test("RATE-1: the quota in the long run, at most one second's quota in a burst, separate for each principal", () => {
  const clock = { now: 0 };
  const rates = new RequestRates({ now: () => clock.now }, 3);
  const admitted = (name: string, times: number): number =>
    Array.from({ length: times }, () => rates.admit(principal({ name, requestsPerSecond: 10 }))).filter(Boolean).length;
  assert.deepEqual([admitted("a", 50), admitted("b", 50)], [10, 10]);
  clock.now = 500;
  assert.equal(admitted("a", 50), 5);
  clock.now = 60_000;
  assert.equal(admitted("a", 50), 10);
  let total = 0;
  for (let i = 0; i < 1_000; i++) {
    clock.now += 10;
    total += admitted("a", 3);
  }
  assert.ok(total >= 99 && total <= 101, String(total));
  assert.equal(rates.admit(principal({ requestsPerSecond: null })), true);
});

test("QUOTA-1, QUOTA-2: counted once a second, plus the messages in progress and those stored since", async () => {
  const state = { now: 0, waiting: 0, counts: 0, away: false };
  const quota = new WaitingQuota({
    clock: { now: () => state.now },
    most: 10,
    counts: {
      async count() {
        state.counts++;
        return state.away ? AWAY : { ok: true, value: state.waiting };
      },
    },
  });
  const team = principal({ mostWaiting: 10 });
  const first = await quota.enter(team, 6);
  assert.notEqual(first, null);
  assert.equal(await quota.enter(team, 5), null, "what is under way counts");
  first?.(6);
  first?.(6);
  assert.equal(await quota.enter(team, 5), null, "what was stored counts, once");
  const second = await quota.enter(team, 4);
  second?.(0);
  assert.notEqual(await quota.enter(team, 4), null, "what was not stored does not");
  assert.equal(state.counts, 1);
  state.now = 1_000;
  state.waiting = 2;
  assert.notEqual(await quota.enter(team, 4), null, "counted again: 2 wait, 4 are under way");
  assert.equal(state.counts, 2);
  state.now = 2_000;
  state.away = true;
  assert.equal(await quota.enter(team, 1), null, "the last count stands");
  assert.equal(await quota.enter(principal({ mostWaiting: 3, name: "b" }), 4), null);
  for (let i = 0; i < 100; i++) assert.notEqual(await quota.enter(principal({ mostWaiting: null }), 1_000_000), null);
  assert.equal(state.counts, 4);
});

test("FILTER-1: a set of filters has what one of them selects", () => {
  const level = fc.constantFrom("a", "b", "", "x.y");
  const filter = fc
    .tuple(fc.array(fc.oneof(level, fc.constant("+")), { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([levels, below]) => [...levels, ...(below ? ["#"] : [])].join("/"))
    .filter((text) => text !== "");
  const topic = fc
    .array(level, { minLength: 1, maxLength: 4 })
    .map((levels) => levels.join("/"))
    .filter((text) => text !== "");
  fc.assert(
    fc.property(fc.array(filter, { maxLength: MOST_FILTERS }), topic, (filters, name) => {
      assert.equal(
        new TopicFilters(filters).has(name),
        filters.some((one) => filterMatches(one, name)),
      );
    }),
    { numRuns: 2_000 },
  );
  assert.equal(new TopicFilters(["a", "#"]).has("anything"), true);
  assert.deepEqual(new TopicFilters(["#"]).params(), [null, null, null, null]);
});
