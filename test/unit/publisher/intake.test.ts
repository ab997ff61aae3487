/** Group commit: one INSERT for many requests, one answer for each, and no request fails for another's fault. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { InsertResult } from "@acktor/publisher/outbox/outbox";
import fc from "fast-check";
import { AWAY, REFUSED } from "../../support/db-results.ts";
import { acceptedMessage, type InsertCall, insertedRow, intakeRig } from "../../support/intake-rig.ts";
import { until } from "../../support/until.ts";

const payloads = ({ messages }: InsertCall): string[] => messages.map((m) => m.payload);

test("requests of one turn share an insert, and each gets its own rows", async () => {
  const rig = intakeRig();
  const results = await Promise.all([
    rig.intake.submit([acceptedMessage({ payload: "a" })]),
    rig.intake.submit([acceptedMessage({ payload: "b1" }), acceptedMessage({ payload: "b2" })]),
    rig.intake.submit([acceptedMessage({ payload: "c" })]),
  ]);
  assert.deepEqual(rig.inserts.map(payloads), [["a", "b1", "b2", "c"]]);
  const stored = rig.inserts[0]?.messages.map((m) => m.messageId) ?? [];
  const answered = results.map((r) => (r.ok ? r.messages.map((m) => m.messageId) : []));
  assert.deepEqual(answered, [[stored[0]], [stored[1], stored[2]], [stored[3]]]);
  assert.equal(new Set(stored).size, 4);
  assert.ok(results.every((r) => r.ok && r.messages.every((m) => m.state === "pending" && m.fresh)));
});

test("INTAKE-1: no request is answered before its rows are committed", async () => {
  const rig = intakeRig();
  let commit: (result: InsertResult) => void = () => undefined;
  rig.answer = () => new Promise((resolve) => (commit = resolve));
  let answered = false;
  const submitted = rig.intake.submit([acceptedMessage()]).then((result) => {
    answered = true;
    return result;
  });
  await until(() => rig.inserts.length === 1, 2_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([answered, rig.offered.length, rig.intake.accepted], [false, 0, 0]);
  commit({ ok: true, inserted: rig.inserts[0]?.messages.map(insertedRow) ?? [] });
  assert.equal((await submitted).ok, true);
  assert.equal(rig.intake.accepted, 1);
});

test("an insert holds about 1,000 messages; a larger request is inserted alone and undivided", async () => {
  const rig = intakeRig();
  const batch = (count: number) => Array.from({ length: count }, () => acceptedMessage());
  await Promise.all([300, 300, 300, 300, 5_000, 1].map((count) => rig.intake.submit(batch(count))));
  assert.deepEqual(
    rig.inserts.map((i) => i.messages.length),
    [900, 300, 5_000, 1],
  );
});

test("at most two inserts run at a time", async () => {
  const rig = intakeRig();
  const ends: (() => void)[] = [];
  rig.answer = ({ messages }) => {
    return new Promise((resolve) => ends.push(() => resolve({ ok: true, inserted: messages.map(insertedRow) })));
  };
  const submitted = Array.from({ length: 5 }, () =>
    rig.intake.submit(Array.from({ length: 1_000 }, () => acceptedMessage())),
  );
  await until(() => ends.length === 2, 2_000);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(rig.inserts.length, 2);
  ends[1]?.();
  await until(() => ends.length === 3, 2_000);
  for (let done = 0; done < 5; done++) {
    await until(() => ends.length > done, 2_000);
    ends[done]?.();
  }
  assert.ok((await Promise.all(submitted)).every((r) => r.ok));
});

test("INTAKE-2: a conflict in a group fails only its own request", async () => {
  const rig = intakeRig();
  rig.answer = ({ messages }) => {
    const index = messages.findIndex((m) => m.payload === "bad");
    return index >= 0 ? { ok: false, conflict: { index } } : { ok: true, inserted: messages.map(insertedRow) };
  };
  const key = { idempotency: { key: "k", bodyHash: "h" } };
  const results = await Promise.all([
    rig.intake.submit([acceptedMessage({ payload: "a" })]),
    rig.intake.submit([acceptedMessage({ payload: "bad", ...key })]),
    rig.intake.submit([acceptedMessage(), acceptedMessage({ payload: "bad", ...key })], {
      nameOf: (_field, i) => `messages[${i}].key`,
    }),
    rig.intake.submit([acceptedMessage({ payload: "d" })]),
  ]);
  const faults = results.map((r) => (r.ok ? "accepted" : `${r.fault.code} ${r.fault.field}`));
  assert.deepEqual(faults, [
    "accepted",
    "idempotency_conflict Idempotency-Key",
    "idempotency_conflict messages[1].key",
    "accepted",
  ]);
  // The requests with keys have a group of their own.
  assert.equal(rig.inserts.length, 4);
});

test("a group that the database refuses is redone one by one; a request that it refuses alone is an internal error, not the caller's", async () => {
  const rig = intakeRig();
  rig.answer = ({ messages }) => {
    return messages.some((m) => m.payload === "bad") ? REFUSED : { ok: true, inserted: messages.map(insertedRow) };
  };
  const results = await Promise.all(
    ["a", "bad", "c"].map((payload) => rig.intake.submit([acceptedMessage({ payload })])),
  );
  assert.deepEqual(
    results.map((r) => (r.ok ? "accepted" : r.fault.code)),
    ["accepted", "internal", "accepted"],
  );
});

test("an unreachable database is a 503 for every request of the group, after one try", async () => {
  const rig = intakeRig();
  rig.answer = () => AWAY;
  const results = await Promise.all(["a", "b"].map((payload) => rig.intake.submit([acceptedMessage({ payload })])));
  assert.equal(rig.inserts.length, 1);
  for (const result of results) {
    assert.deepEqual(result.ok ? {} : [result.fault.code, result.fault.retryAfterSeconds], ["database_unavailable", 2]);
  }
  assert.deepEqual([rig.reserved, rig.offered, rig.wakes, rig.intake.accepted], [0, [], 0, 0]);
});

test("INTAKE-4: a request's deadline runs from its arrival: what waited gets the rest of it, and then nothing", async () => {
  const rig = intakeRig();
  const ends: (() => void)[] = [];
  rig.answer = ({ messages, deadlineMs }) => {
    return new Promise((resolve) => {
      ends.push(() => {
        rig.now += deadlineMs;
        resolve(messages[0]?.payload === "late" ? { ok: true, inserted: messages.map(insertedRow) } : AWAY);
      });
    });
  };
  const large = (payload: string) => Array.from({ length: 1_000 }, () => acceptedMessage({ payload }));
  const first = [rig.intake.submit(large("first")), rig.intake.submit(large("second"))];
  await until(() => ends.length === 2, 2_000);
  rig.now += 500;
  const waiting = rig.intake.submit([acceptedMessage({ payload: "late" })]);
  assert.deepEqual(
    rig.inserts.map((i) => i.deadlineMs),
    [1_700, 1_700],
  );
  ends[0]?.();
  await first[0];
  const result = await waiting;
  assert.deepEqual(result.ok ? [] : [result.fault.code], ["database_unavailable"]);
  assert.equal(rig.inserts.length, 2);
  ends[1]?.();
  await first[1];
});

test("INTAKE-3: an intake that is full, not ready, or has too much waiting rejects immediately", async () => {
  const rig = intakeRig();
  const code = async (count = 1): Promise<unknown> => {
    const result = await rig.intake.submit(Array.from({ length: count }, () => acceptedMessage()));
    return result.ok ? "accepted" : [result.fault.code, result.fault.retryAfterSeconds];
  };
  rig.full = (adding) => adding > 10;
  assert.deepEqual(await code(11), ["high_water", 5]);
  assert.equal(await code(10), "accepted");
  rig.ready = false;
  assert.deepEqual(await code(), ["database_unavailable", 2]);
  rig.ready = true;
  rig.full = () => false;
  rig.answer = () => new Promise(() => undefined);
  for (let i = 0; i < 2; i++) void code(1_000);
  await until(() => rig.inserts.length === 3, 2_000);
  for (let i = 0; i < 50; i++) void code(1_000);
  assert.deepEqual(await code(), ["high_water", 1]);
});

test("fresh rows go to the dispatcher with a lease that began before the insert; the others wake the claim", async () => {
  const rig = intakeRig();
  rig.room = 2;
  const messages = [
    acceptedMessage({ payload: "fresh", ttlMs: 5_000 }),
    acceptedMessage({ orderingKey: "k" }),
    acceptedMessage({ retain: true }),
    acceptedMessage({ deliverAt: "2026-01-01T00:00:00.000Z" }),
    acceptedMessage({ idempotency: { key: "k", bodyHash: "h" } }),
    acceptedMessage({ payload: "fresh" }),
    acceptedMessage({ payload: "no room" }),
  ];
  rig.answer = ({ messages: rows }) => {
    rig.now += 300;
    return { ok: true, inserted: rows.map(insertedRow) };
  };
  await rig.intake.submit(messages);
  assert.deepEqual(
    rig.inserts[0]?.messages.map((m) => m.leased),
    [true, false, false, false, false, true, false],
  );
  assert.deepEqual(
    rig.offered.map(({ messages: rows, leaseEndsAt }) => [rows.map((m) => m.payload), leaseEndsAt]),
    [[["fresh", "fresh"], 25_000]],
  );
  const [first] = rig.offered[0]?.messages ?? [];
  const { createdAt, expiresInMs, attempts, leaseToken } = first ?? {};
  assert.deepEqual([createdAt, expiresInMs, attempts, leaseToken], [1_700_000_000.5, 5_000, 0, "1"]);
  assert.deepEqual([rig.wakes, rig.reserved], [1, 0]);
});

test("a repeated key returns the existing row, and counts and sends nothing", async () => {
  const rig = intakeRig();
  rig.answer = () => ({ ok: true, inserted: [{ kind: "same", messageId: "there", state: "acknowledged" }] });
  const result = await rig.intake.submit([acceptedMessage({ idempotency: { key: "k", bodyHash: "h" } })]);
  assert.deepEqual(result, { ok: true, messages: [{ messageId: "there", state: "acknowledged", fresh: false }] });
  assert.deepEqual([rig.intake.accepted, rig.offered, rig.wakes], [0, [], 0]);
});

test("a drain answers everything that was taken, and takes nothing more", async () => {
  const rig = intakeRig();
  await rig.intake.drain();
  const next = intakeRig();
  const submitted = Array.from({ length: 5 }, () =>
    next.intake.submit(Array.from({ length: 600 }, () => acceptedMessage())),
  );
  let answered = 0;
  for (const one of submitted) void one.then(() => answered++);
  await Promise.all([next.intake.drain(), next.intake.drain()]);
  assert.equal(answered, 5);
  const late = await next.intake.submit([acceptedMessage()]);
  assert.equal(late.ok ? "accepted" : late.fault.code, "stopping");
});

test("for every answer of the database, every request is answered once, and every reservation is returned", async () => {
  const answer = fc.constantFrom("ok" as const, "away" as const, "refused" as const, "conflict" as const);
  const requests = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(
      requests,
      fc.array(answer, { minLength: 1 }),
      fc.nat({ max: 400 }),
      async (sizes, answers, room) => {
        const rig = intakeRig();
        rig.room = room;
        let turn = 0;
        rig.answer = ({ messages }) => {
          const what = answers[turn++ % answers.length];
          if (what === "away") return AWAY;
          if (what === "refused") return REFUSED;
          if (what === "conflict") return { ok: false, conflict: { index: 0 } };
          return { ok: true, inserted: messages.map(insertedRow) };
        };
        const submitted = sizes.map((size) => rig.intake.submit(Array.from({ length: size }, () => acceptedMessage())));
        await rig.intake.drain();
        const results = await Promise.all(submitted);
        const accepted = results.flatMap((r, i) => (r.ok ? [sizes[i] ?? 0] : [])).reduce((a, b) => a + b, 0);
        assert.equal(rig.reserved, 0);
        assert.equal(rig.intake.accepted, accepted);
        for (const [i, result] of results.entries()) if (result.ok) assert.equal(result.messages.length, sizes[i]);
        const leasedRows = rig.offered.flatMap((o) => o.messages).length;
        assert.ok(leasedRows <= accepted);
      },
    ),
  );
});
