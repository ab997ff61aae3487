/** The claim's way around rows that fail: CLAIM-1 to CLAIM-3. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Claimer, type ClaimVerbs } from "@acktor/publisher/dispatch/claimer";
import { BadRowShelf } from "@acktor/publisher/outbox/bad-rows";
import type { Claimed, ClaimOptions, Outcome } from "@acktor/publisher/outbox/outbox";
import type { DbFailure } from "@acktor/shared/db/pool";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { keptLogger } from "../../support/kept-logger.ts";
import { leased } from "../../support/leased.ts";

const OPTIONS: ClaimOptions = { instance: "one", limit: 100, leaseMs: 15_000, laneCursor: "", lowWater: null };
const HORIZON = { at: "", xmin: "0", xmax: "0" };

function failed(code: string): { ok: false; failure: DbFailure } {
  return { ok: false, failure: { kind: "rejected", code, message: "no", maybeCommitted: false, constraint: null } };
}

function rig(ids: readonly string[], bad: readonly string[], over: Partial<ClaimVerbs> = {}) {
  const calls: string[] = [];
  const aside: string[] = [];
  const troubles = new Troubles({ clock: { now: () => 0 }, logger: keptLogger().logger });
  const claim = (part: readonly string[]): Outcome<Claimed> => {
    if (part.some((id) => bad.includes(id))) return failed("22003");
    const messages = part.map((messageId) => leased({ messageId }));
    return { ok: true, value: { messages, nextLaneCursor: "", oldestDue: null, parked: 0, horizon: HORIZON } };
  };
  const verbs: ClaimVerbs = {
    claimDue: async () => {
      calls.push("claim");
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
  const shelf = new BadRowShelf({
    troubles,
    now: () => 0,
    setAside: async (rows) => ({ ok: true, rows }),
    onSetAside: ({ messageId, reason }) => void aside.push(`${messageId} ${reason}`),
  });
  return { calls, aside, troubles, claimer: new Claimer({ verbs, troubles, shelf }) };
}

test("CLAIM-2: a claim that works is one statement", async () => {
  const { calls, claimer, troubles } = rig(["a", "b"], []);
  assert.equal((await claimer.claim(OPTIONS)).ok, true);
  assert.deepEqual(calls, ["claim"]);
  assert.deepEqual(troubles.counts(), []);
});

test("CLAIM-1: the others are leased, the bad one is set aside, and the failure is counted", async () => {
  const { aside, claimer, troubles } = rig(["a", "b", "c"], ["b"]);
  const claimed = await claimer.claim(OPTIONS);
  assert.ok(claimed.ok);
  assert.deepEqual(
    claimed.value.messages.map(({ messageId }) => messageId),
    ["a", "c"],
  );
  assert.equal(claimed.value.nextLaneCursor, "k");
  assert.deepEqual(claimed.value.apart, { bad: 1, isFull: false });
  assert.deepEqual(aside, ["b unreadable: 22003 no"]);
  assert.deepEqual(troubles.counts(), [[{ area: "claim", code: "22003" }, 1]]);
});

test("CLAIM-3: where the list fails, pages are read, and a damaged one is reported", async () => {
  const { calls, claimer, troubles } = rig(["a", "b"], ["b"], { listDue: async () => failed("XX001") });
  const claimed = await claimer.claim(OPTIONS);
  assert.ok(claimed.ok);
  assert.equal(claimed.value.messages.length, 1);
  assert.deepEqual(calls, ["claim", "pages"]);
  assert.deepEqual(
    troubles.list().map(({ area }) => area),
    ["claim", "unreadable"],
  );
});

test("a lack of rights is no row's fault: nothing is leased, nothing set aside", async () => {
  const { calls, aside, claimer } = rig(["a"], [], { claimDue: async () => failed("42501") });
  assert.equal((await claimer.claim(OPTIONS)).ok, false);
  assert.deepEqual([calls, aside], [[], []]);
});

test("a statement that fails without any row is at fault itself: no row is blamed", async () => {
  const { aside, claimer } = rig(["a"], ["a"], { leaseThese: async () => failed("XX000") });
  assert.equal((await claimer.claim(OPTIONS)).ok, false);
  assert.deepEqual(aside, []);
});
