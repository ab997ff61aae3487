/** What becomes of a batch when the database is away, refuses a message, or another batch has one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Inbox } from "@acktor/acker/inbox/inbox";
import type { Incoming, ReceiveOptions } from "@acktor/acker/inbox/receive-messages";
import { BatchStore, type BatchStoreParts } from "@acktor/acker/process/batch-store";
import { SYSTEM_RANDOM } from "@acktor/shared/runtime/clock";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
import { failed, fakeInbox, groupOf, messageOf, receiptOf, UNAVAILABLE } from "../../support/fake-inbox.ts";

const OPTIONS: ReceiveOptions = { born: "processed", owner: "a/1", leaseMs: 1_000, batch: null };
const NEVER = new AbortController().signal;
const stored = (batch: readonly Incoming[]) =>
  ({ ok: true, rows: batch.map(({ message }) => receiptOf(message.messageId)) }) as const;

function storeOn(
  receive: Inbox["receive"],
  signal = NEVER,
  expired: string[] = [],
  { random, troubles }: Pick<BatchStoreParts, "random" | "troubles"> = { random: SYSTEM_RANDOM, troubles: NO_TROUBLES },
) {
  const lifetimes = { isExpired: ({ messageId }: { messageId: string }) => expired.includes(messageId) };
  return new BatchStore({ inbox: fakeInbox({ receive }), lifetimes, troubles, signal, random });
}

test("STORE-1, STORE-3: only the message that PostgreSQL refuses is refused, with its reason", async () => {
  let statements = 0;
  const store = storeOn(async (batch) => {
    statements++;
    return batch.some(({ message }) => message.messageId === "m5") ? failed("22021") : stored(batch);
  });
  const groups = Array.from({ length: 8 }, (_, i) => groupOf(messageOf(`m${i}`)));
  const results = await store.store(groups, OPTIONS);
  assert.deepEqual(results.get("m5"), {
    kind: "refused",
    reason: "not stored: data that PostgreSQL cannot hold (SQLSTATE 22021)",
    retryable: false,
  });
  assert.equal([...results.values()].filter(({ kind }) => kind === "stored").length, 7);
  assert.equal(statements, 7);
});

test("STORE-1, STORE-2: while the database is away messages wait, and expire; nothing is refused", async () => {
  const expired: string[] = [];
  const answers = [UNAVAILABLE, failed("42P01"), null];
  const store = storeOn(
    async (batch) => {
      expired.push("short");
      return answers.shift() ?? stored(batch);
    },
    NEVER,
    expired,
  );
  const results = await store.store([groupOf(messageOf("long")), groupOf(messageOf("short"))], OPTIONS);
  assert.deepEqual([results.get("long")?.kind, results.get("short")?.kind], ["stored", "expired"]);
  assert.equal(answers.length, 0);
});

test("while the database is away pauses are random, and a trouble does not end because its messages expire", async () => {
  const reports: boolean[] = [];
  let pauses = 0;
  const random = { next: () => pauses++ / 10 };
  const troubles: BatchStoreParts["troubles"] = {
    report(_area, result) {
      reports.push(result.ok);
      return result;
    },
  };
  const expired: string[] = [];
  const receive = async () => {
    if (reports.length === 1) expired.push("m");
    return UNAVAILABLE;
  };
  const results = await storeOn(receive, NEVER, expired, { random, troubles }).store(
    [groupOf(messageOf("m"))],
    OPTIONS,
  );
  assert.deepEqual([results.get("m")?.kind, reports, pauses], ["expired", [false, false], 2]);
});

test("STORE-1, STORE-2: a stop abandons what the database has not taken", async () => {
  const stop = new AbortController();
  const store = storeOn(async () => {
    stop.abort();
    return UNAVAILABLE;
  }, stop.signal);
  const results = await store.store([groupOf(messageOf("a"))], OPTIONS);
  assert.equal(results.get("a")?.kind, "abandoned");
  assert.equal((await store.store([groupOf(messageOf("b"))], OPTIONS)).get("b")?.kind, "abandoned");
});

test("STORE-4: a message of another batch is looked for again, without those that are stored, five times at most", async () => {
  const asked: string[][] = [];
  const store = storeOn(async (batch) => {
    asked.push(batch.map(({ message }) => message.messageId));
    const rows = batch.map(({ message: { messageId } }) =>
      receiptOf(messageId, { inBatch: messageId === "never" || (messageId === "soon" && asked.length < 3) }),
    );
    return { ok: true, rows };
  });
  const results = await store.store(
    ["mine", "soon", "never"].map((id) => groupOf(messageOf(id))),
    OPTIONS,
  );
  assert.deepEqual(asked, [["mine", "soon", "never"], ["soon", "never"], ["soon", "never"], ["never"], ["never"]]);
  assert.ok([...results.values()].every(({ kind }) => kind === "stored"));
});
