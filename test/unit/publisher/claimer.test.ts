/** The claim's way around rows that fail: CLAIM-1 to CLAIM-3. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BadRowShelf } from "@acktor/publisher/outbox/bad-rows";
import { Claimer, type ClaimStatements } from "@acktor/publisher/outbox/claimer";
import type { Claimed, ClaimOptions, Outcome } from "@acktor/publisher/outbox/outbox";
import type { DbFailure, Param, Pool } from "@acktor/shared/db/pool";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { keptLogger } from "../../support/kept-logger.ts";
import { leased } from "../../support/leased.ts";
import { testClock } from "../../support/test-clock.ts";

const LIMIT = 100;
const HORIZON = { at: "", xmin: "0", xmax: "0" };

function failed(code: string): { ok: false; failure: DbFailure } {
  return { ok: false, failure: { kind: "rejected", code, message: "no", maybeCommitted: false, constraint: null } };
}

function rig(ids: readonly string[], bad: readonly string[], over: Partial<ClaimStatements> = {}) {
  const calls: string[] = [];
  const asked: ClaimOptions[] = [];
  const aside: string[] = [];
  const troubles = new Troubles({ clock: { now: () => 0 }, logger: keptLogger().logger });
  const claim = (part: readonly string[]): Outcome<Claimed> => {
    if (part.some((id) => bad.includes(id))) return failed("22003");
    const messages = part.map((messageId) => leased({ messageId }));
    return {
      ok: true,
      value: { messages, nextLaneCursor: "", oldestDue: null, parked: 0, anyParked: false, horizon: HORIZON },
    };
  };
  const statements: ClaimStatements = {
    claimDue: async (options) => {
      calls.push("claim");
      asked.push(options);
      return claim(ids);
    },
    listDue: async (_, passedOver) => {
      calls.push("list");
      const messageIds = ids.filter((id) => !passedOver.includes(id));
      return { ok: true, value: { messageIds, nextLaneCursor: "k", horizon: HORIZON } };
    },
    listDuePages: async () => {
      calls.push("pages");
      const damaged = [{ place: "page 0 of t", failure: failed("XX001").failure }];
      return { ok: true, value: { messageIds: ids, damaged, nextLaneCursor: "", horizon: HORIZON } };
    },
    leaseThese: async (part) => claim(part),
    ...over,
  };
  const clock = testClock();
  const shelf = new BadRowShelf({
    ...{ troubles, clock, pool: settingAside() },
    failedMessages: { failed: (messageId, reason) => void aside.push(`${messageId} ${reason}`) },
  });
  const claimer = new Claimer({ owner: "one", leaseMs: 15_000, clock, statements, troubles, shelf });
  return { calls, asked, aside, troubles, claimer };
}

/** A database that sets every row aside. */
function settingAside(): Pool {
  const run = async (_: string, [ids]: readonly Param[] = []) => {
    const messageIds = JSON.stringify(ids).match(/[a-z]+/g) ?? [];
    return { ok: true, rows: messageIds.map((messageId) => ({ messageId })) };
  };
  return { run } as unknown as Pool;
}

test("a claim that filled its limit is followed by the next from where the walk over ordering keys stopped", async () => {
  const { asked, claimer } = rig(["a", "b"], [], {
    claimDue: async (options) => {
      asked.push(options);
      const messages = [leased()];
      return {
        ok: true,
        value: { messages, nextLaneCursor: "k:m", oldestDue: null, parked: 0, anyParked: false, horizon: HORIZON },
      };
    },
  });
  const first = await claimer.claim(1, false);
  assert.deepEqual(first.ok && first.value.more, true, "the limit was reached: more rows may be due");
  const second = await claimer.claim(2, false);
  assert.deepEqual(second.ok && second.value.more, false);
  assert.deepEqual(
    asked.map(({ instance, limit, leaseMs, laneCursor }) => [instance, limit, leaseMs, laneCursor]),
    [
      ["one", 1, 15_000, ""],
      ["one", 2, 15_000, "k:m"],
    ],
  );
});

test("a claim that only set rows of parked destinations aside reports that more may be due", async () => {
  const { claimer } = rig([], [], {
    claimDue: async () => ({
      ok: true,
      value: { messages: [], nextLaneCursor: "", oldestDue: null, parked: 500, anyParked: true, horizon: HORIZON },
    }),
  });
  assert.deepEqual(await claimer.claim(LIMIT, false), {
    ok: true,
    value: { messages: [], more: true, anyParked: true },
  });
});

test("CLAIM-2: a claim that works is one statement", async () => {
  const { calls, claimer, troubles } = rig(["a", "b"], []);
  assert.equal((await claimer.claim(LIMIT, false)).ok, true);
  assert.deepEqual(calls, ["claim"]);
  assert.deepEqual(troubles.counts(), []);
});

test("CLAIM-1: the others are leased, the bad one is set aside, and the failure is counted", async () => {
  const { aside, claimer, troubles } = rig(["a", "b", "c"], ["b"]);
  const claimed = await claimer.claim(LIMIT, false);
  assert.ok(claimed.ok);
  assert.deepEqual(
    claimed.value.messages.map(({ messageId }) => messageId),
    ["a", "c"],
  );
  assert.equal(claimed.value.more, false);
  assert.deepEqual(aside, ["b unreadable: 22003 no"]);
  assert.deepEqual(troubles.counts(), [[{ area: "claim", code: "22003" }, 1]]);
});

test("CLAIM-3: where the list fails, pages are read, and a damaged one is reported", async () => {
  const { calls, claimer, troubles } = rig(["a", "b"], ["b"], { listDue: async () => failed("XX001") });
  const claimed = await claimer.claim(LIMIT, false);
  assert.ok(claimed.ok);
  assert.equal(claimed.value.messages.length, 1);
  assert.deepEqual(calls, ["claim", "pages"]);
  assert.deepEqual(
    troubles.list().map(({ area }) => area),
    ["claim", "unreadable"],
  );
});

test("a missing right is not the fault of a row: nothing is leased, nothing set aside", async () => {
  const { calls, aside, claimer } = rig(["a"], [], { claimDue: async () => failed("42501") });
  assert.equal((await claimer.claim(LIMIT, false)).ok, false);
  assert.deepEqual([calls, aside], [[], []]);
});

test("a statement that fails without any row is at fault itself: no row is blamed", async () => {
  const { aside, claimer } = rig(["a"], ["a"], { leaseThese: async () => failed("XX000") });
  assert.equal((await claimer.claim(LIMIT, false)).ok, false);
  assert.deepEqual(aside, []);
});
