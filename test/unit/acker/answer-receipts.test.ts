/** Requests for receipts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ReceiptAnswers } from "@acktor/acker/control/answer-receipts";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import { WIRE_VERSION } from "@acktor/shared/inspect/wire";
import { fakeInbox, UNAVAILABLE } from "../../support/fake-inbox.ts";

const REQUEST = JSON.stringify({ v: WIRE_VERSION, message_id: "019a0000-0000-7000-8000-000000000001" });

test("RECEIPTS-1, RECEIPTS-2: eight requests at a time; no answer while the database is away", async () => {
  const bus = new LocalBus();
  const held: (() => void)[] = [];
  let isAway = false;
  const inbox = fakeInbox({
    readReceipt: () =>
      isAway
        ? Promise.resolve(UNAVAILABLE)
        : new Promise((resolve) => held.push(() => resolve({ ok: true, rows: [] }))),
  });
  const answers = new ReceiptAnswers({ bus, subject: "receipts", inbox, instance: "a" });
  answers.start();
  const asked = Array.from({ length: 9 }, () => bus.request("receipts", REQUEST, 200));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(held.length, 8);
  for (const release of held) release();
  const replies = await Promise.all(asked);
  assert.equal(replies.filter(({ ok }) => ok).length, 8);
  isAway = true;
  assert.equal((await bus.request("receipts", REQUEST, 50)).ok, false);
  await bus.request("receipts", "{}", 10);
  assert.equal(answers.malformed, 1);
  answers.stop();
});
