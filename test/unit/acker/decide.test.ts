import assert from "node:assert/strict";
import { test } from "node:test";
import { decide, isFirst } from "@acktor/acker/inbox/decide";
import { judgeFailure } from "@acktor/acker/inbox/judge-failure";
import type { InboxMessage } from "@acktor/acker/inbox/message";
import type { Receipt } from "@acktor/acker/inbox/receive-messages";
import { chooseFilters } from "@acktor/acker/subscribe/choose-filters";
import type { DbFailure } from "@acktor/shared/db/pool";

const message = { messageId: "m", checksum: "sha256:a" } as InboxMessage;
const receipt: Receipt = {
  messageId: "m",
  deliveries: 2,
  status: "processed",
  reason: null,
  checksum: "sha256:a",
  mine: false,
  crashes: 0,
};

test("a receipt becomes an answer, work, patience or a conflict", () => {
  assert.deepEqual(decide(receipt, message), { kind: "answer", answer: { status: "processed" } });
  assert.deepEqual(decide({ ...receipt, status: "rejected", reason: "no" }, message), {
    kind: "answer",
    answer: { status: "rejected", reason: "no", retryable: false },
  });
  assert.deepEqual(decide({ ...receipt, status: "received", mine: true }, message), { kind: "handle" });
  assert.deepEqual(decide({ ...receipt, status: "received" }, message), { kind: "wait" });
  for (const status of ["received", "processed", "rejected"] as const) {
    assert.equal(decide({ ...receipt, status, mine: true, checksum: "sha256:b" }, message).kind, "conflict");
  }
});

test("first is who brought every delivery that the row counts", () => {
  assert.equal(isFirst({ ...receipt, deliveries: 2 }, { message, deliveries: 2 }), true);
  assert.equal(isFirst({ ...receipt, deliveries: 3 }, { message, deliveries: 2 }), false);
  assert.equal(isFirst({ ...receipt, deliveries: 1, checksum: "sha256:b" }, { message, deliveries: 2 }), false);
});

test("the database's trouble is never a message's fault", () => {
  const failure = (code: string, kind: DbFailure["kind"] = "rejected"): DbFailure => {
    return { kind, code, message: "", constraint: null, maybeCommitted: false };
  };
  for (const code of ["53100", "40P01", "55P03", "42P01", "42501", "57014", "25006", "58030"]) {
    assert.equal(judgeFailure(failure(code)).kind, "database", code);
  }
  assert.equal(judgeFailure(failure("22021", "unavailable")).kind, "database");
  for (const [code, retryable] of [
    ["22021", false],
    ["22P05", false],
    ["23514", false],
    ["54000", false],
    ["XX000", true],
  ] as const) {
    const blame = judgeFailure(failure(code));
    assert.ok(blame.kind === "message" && blame.retryable === retryable && blame.reason.includes(code), code);
  }
});

test("a group is used where the broker has it, plain filters otherwise", () => {
  assert.deepEqual(chooseFilters(["a/#"], null, true), { filters: ["a/#"], groupRefused: false });
  assert.deepEqual(chooseFilters(["a/#", "b"], "g", true), {
    filters: ["$share/g/a/#", "$share/g/b"],
    groupRefused: false,
  });
  assert.deepEqual(chooseFilters(["a/#"], "g", false), { filters: ["a/#"], groupRefused: true });
});
