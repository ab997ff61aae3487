/** The desk's order of suspects: found by the campaign's poison, which got a healthy message rejected in its stead. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createCounts } from "@acktor/acker/control/counts";
import type { HandlerJob } from "@acktor/acker/handle/run-handlers";
import { createHandlerDesk, type HandlerDeskOptions } from "@acktor/acker/handler-desk";
import type { InboxMessage } from "@acktor/acker/inbox/message";
import type { DbResult } from "@acktor/shared/db/pool";
import { until } from "../../support/until.ts";

/** A database whose answers to outcomes are held back; it names what it was asked, in order. */
function slowDatabase() {
  const asked: string[] = [];
  const held: (() => void)[] = [];
  const run = (text: string, params: readonly string[] = []): Promise<DbResult<{ messageId: string }>> => {
    const isMark = text.includes("set handling = true");
    const id = isMark ? (params[0] ?? "") : (params[0] ?? "").replace(/[{}"]/g, "");
    asked.push(`${isMark ? "begins" : "ends"} ${id}`);
    const answer = { ok: true, rows: [{ messageId: id }] } as const;
    return isMark ? Promise.resolve(answer) : new Promise((resolve) => held.push(() => resolve(answer)));
  };
  return { asked, release: () => held.shift()?.(), run };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test("a suspect begins when the outcome of the one before it is written, so that a crash is not blamed on that", async () => {
  const database = slowDatabase();
  const ended: string[] = [];
  const desk = createHandlerDesk({
    pool: { run: database.run },
    acks: { send: () => undefined },
    runner: { run: (job: HandlerJob) => job.done({ kind: "processed" }) },
    leaseMs: 60_000,
    capacity: 10,
    transactionMs: 1_000,
    onTrouble: () => undefined,
    counts: createCounts(),
    now: () => 0,
  } as unknown as HandlerDeskOptions);
  for (const messageId of ["innocent", "culprit"]) {
    const message = { messageId, topic: "t", answerTo: null, attemptToken: "1" } as unknown as InboxMessage;
    desk.take({ messageId, owner: "a/1/1" }, message, 1, () => ended.push(messageId));
  }
  await until(() => database.asked.length >= 2, 1_000, "the innocent's outcome to be on its way");
  await settled();
  assert.deepEqual(database.asked, ["begins innocent", "ends innocent"]);
  database.release();
  await until(() => database.asked.length >= 4, 1_000, "the culprit");
  database.release();
  await until(() => ended.length === 2, 1_000, "the end of both");
  assert.deepEqual(database.asked, ["begins innocent", "ends innocent", "begins culprit", "ends culprit"]);
});
