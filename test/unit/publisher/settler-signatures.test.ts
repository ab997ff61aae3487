/** Signed acks at the settler: what Ed25519 may cost, and that a flood delays nothing that is awaited. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { encodeAck } from "@acktor/shared/protocol/ack";
import { VerifyBudget } from "@acktor/shared/protocol/verify-budget";
import { ackKeyPair } from "../../support/ack-keys.ts";
import { rows } from "../../support/db-results.ts";
import { plainAck, signed as signedAck, trustOf } from "../../support/proof.ts";
import { settledRow, settlerRig } from "../../support/settler-rig.ts";
import { until } from "../../support/until.ts";

const keys = ackKeyPair();
const CHECKSUM = `sha256:${"ab".repeat(32)}`;
const SAME = { topic: "plant/1", checksum: CHECKSUM };

function signed(id: string): string {
  return encodeAck(signedAck(plainAck({ ...SAME, message_id: id }), keys.privateKey));
}

/** Under the right key's name, of the right length, and wrong. */
function forged(id: string): string {
  return encodeAck({
    ...plainAck({ ...SAME, message_id: id }),
    signature: `v2:ed25519:${keys.publicKey.id}:${"A".repeat(86)}`,
  });
}

test("AUTH-1: with a public key only what its owner signed counts", async () => {
  const rig = settlerRig({ trust: trustOf({ publicKeys: [keys.publicKey] }) });
  const { id } = rig.publish({ checksum: CHECKSUM });
  rig.receive(id, "{}");
  rig.receive(id, forged(id));
  rig.receive(id, encodeAck(plainAck({ message_id: id, signature: "hmac-sha256:00" })));
  assert.deepEqual([rig.settler.counts.unsigned, rig.answers.length], [3, 0]);
  rig.receive(id, signed(id));
  await rig.writer.drain();
  assert.equal(rig.settled.flat().length, 1);
});

test("forgeries are verified only so often, and honest acks of what is in flight are not slowed by strangers", async () => {
  const rig = settlerRig({ trust: trustOf({ publicKeys: [keys.publicKey] }) });
  const { id } = rig.publish({ checksum: CHECKSUM });
  for (let i = 0; i < 5_000; i++) rig.receive(randomUUID(), forged(randomUUID()).replace(/"message_id":"[^"]*",/, ""));
  const { unsigned, unverified } = rig.settler.counts;
  assert.equal(unsigned + unverified, 5_000);
  assert.ok(unsigned <= 500, `${unsigned} were verified`);
  rig.receive(id, signed(id));
  await rig.writer.drain();
  assert.deepEqual(
    rig.settled.flat().map((ack) => ack.messageId),
    [id],
  );
});

test("the budget refills with time, and a valid ack of a message in flight costs nothing", () => {
  let now = 0;
  const budget = new VerifyBudget(() => now);
  const holds = (): boolean => true;
  const fails = (): boolean => false;
  for (let i = 0; i < 10_000; i++) assert.equal(budget.check(holds, true), true);
  for (let i = 0; i < 1_000; i++) assert.equal(budget.check(fails, true), false);
  assert.equal(budget.check(holds, true), null);
  for (let i = 0; i < 500; i++) assert.equal(budget.check(holds, false), true);
  assert.equal(budget.check(holds, false), null);
  now += 2;
  assert.equal(budget.check(holds, true), true);
  assert.equal(budget.check(fails, false), false);
  assert.equal(budget.check(holds, false), null);
});

test("ACK_WRITER-2: acks of made-up ids wait separately: the expected ack is settled meanwhile", async () => {
  const rig = settlerRig();
  const { id } = rig.publish({ checksum: CHECKSUM });
  let answer = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  rig.answerAcks = async (acks) => {
    if (acks.every((ack) => ack.messageId !== id)) {
      await held;
      return rows();
    }
    return rows(...acks.map(({ messageId }) => settledRow(messageId)));
  };
  for (let i = 0; i < 25_000; i++) rig.receive(randomUUID(), "{}");
  assert.ok(rig.settler.counts.dropped >= 4_000, "the queue has a bound");
  rig.receive(id, "{}");
  await until(() => rig.told.some(({ messageId }) => messageId === id), 2_000, "the awaited ack");
  answer();
  await rig.writer.drain();
});
