/** How effects end: committed, fenced, refused, abandoned. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "@acktor/acker";
import { type EffectOf, LEASE_LOST } from "@acktor/acker/inbox/commit-effects";
import type { Inbox } from "@acktor/acker/inbox/inbox";
import { Abandonment } from "@acktor/acker/process/abandonment";
import { Effects } from "@acktor/acker/process/effects";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
import { failed, fakeInbox, UNAVAILABLE } from "../../support/fake-inbox.ts";

const effectOf = (messageId: string): EffectOf => ({
  lease: { messageId, owner: "a/1/1" },
  effect: sql`insert into effect (id) values (${messageId})`,
});

function effectsOn(verbs: Partial<Inbox>) {
  const abandonment = new Abandonment();
  return { abandonment, effects: new Effects({ inbox: fakeInbox(verbs), troubles: NO_TROUBLES, abandonment }) };
}

test("EFFECTS-2: a refused statement is halved until only the faulty effect is left; data errors are not retryable", async () => {
  const { effects } = effectsOn({
    commitEffects: async ({ items }) =>
      items.some(({ lease }) => lease.messageId === "bad") ? failed("22P02") : { ok: true, rows: [] },
  });
  const ends = await effects.commitFragments(["a", "b", "bad", "c", "d"].map(effectOf));
  const bad = ends.get("bad");
  assert.ok(bad?.kind === "refused" && !bad.retryable && bad.reason.includes("22P02"), JSON.stringify(bad));
  assert.deepEqual(
    ["a", "b", "c", "d"].map((id) => ends.get(id)?.kind),
    ["committed", "committed", "committed", "committed"],
  );
});

test("EFFECTS-3: while the database is away fragments wait; a stop abandons them", async () => {
  const answers = [UNAVAILABLE, failed("40001")];
  const { effects } = effectsOn({ commitEffects: async () => answers.shift() ?? { ok: true, rows: [] } });
  assert.deepEqual((await effects.commitFragments([effectOf("m")])).get("m"), { kind: "committed" });
  assert.equal(answers.length, 0);
  const away = effectsOn({ commitEffects: async () => UNAVAILABLE });
  away.abandonment.begin();
  assert.deepEqual((await away.effects.commitFragments([effectOf("m")])).get("m"), { kind: "abandoned" });
  away.abandonment.end();
});

test("EFFECTS-4, COMMIT-3: a lost lease whose row was processed under it is a commit whose answer was lost", async () => {
  const { effects } = effectsOn({
    commitEffects: async () => failed(LEASE_LOST),
    findProcessed: async (leases) => ({ ok: true, rows: leases.filter(({ messageId }) => messageId === "done") }),
    runTransaction: async ({ messageId }) =>
      messageId === "fenced" ? { kind: "fenced" } : { kind: "unknown", message: "no answer" },
  });
  const ends = await effects.commitFragments(["done", "other"].map(effectOf));
  assert.deepEqual([ends.get("done")?.kind, ends.get("other")?.kind], ["committed", "fenced"]);
  const work = { kind: "transaction", work: async () => undefined } as const;
  const kinds: string[] = [];
  for (const messageId of ["done", "fenced", "other"]) {
    kinds.push((await effects.commitTransaction({ messageId, owner: "a/1/1" }, work)).kind);
  }
  assert.deepEqual(kinds, ["committed", "fenced", "refused"]);
});
