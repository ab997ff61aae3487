/** Acks in, settled rows out: what counts, what changes nothing, and what is reported. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncomingMessage } from "@acktor/shared/link/link";
import { type Ack, encodeAck } from "@acktor/shared/protocol/ack";
import fc from "fast-check";
import { plainAck, signed, trustOf } from "../../support/proof.ts";
import { settlerRig } from "../../support/settler-rig.ts";

const SECRET = "a secret of more than sixteen";
const OTHER_CHECKSUM = `sha256:${"f".repeat(64)}`;

test("a tutorial-form ack settles its message and moves the window", async () => {
  const rig = settlerRig();
  const { id, entry } = rig.publish();
  rig.clock.at += 40;
  rig.receive(id, '{"client_id":"c1"}');
  assert.deepEqual(rig.answers, [entry]);
  await rig.writer.drain();
  assert.deepEqual(rig.settled, [
    [
      {
        messageId: id,
        clientId: "c1",
        checksum: null,
        topic: null,
        signature: null,
        token: null,
        level: "processed",
        attempt: 1,
        publishedAgoMs: 40,
        reasonCode: 0,
      },
    ],
  ]);
  assert.equal(rig.settler.counts.settled, 1);
});

test("an ack of a message that is no longer in memory is still settled", async () => {
  const rig = settlerRig();
  const { id } = rig.publish();
  rig.forget(id);
  rig.receive(id, "{}");
  await rig.writer.drain();
  assert.deepEqual(rig.answers, []);
  assert.equal(rig.settled[0]?.[0]?.attempt, null);
  assert.equal(rig.settled[0]?.[0]?.clientId, "");
});

test("an id in capitals is the same id", async () => {
  const rig = settlerRig();
  const { id } = rig.publish();
  rig.receive(id.toUpperCase(), "{}");
  await rig.writer.drain();
  assert.equal(rig.answers.length, 1);
  assert.equal(rig.settled[0]?.[0]?.messageId, id);
});

const NOTHING: readonly (readonly [what: string, change: Partial<IncomingMessage>, counter: string])[] = [
  ["an array", { payload: Buffer.from("[]") }, "malformed"],
  ["no JSON", { payload: Buffer.from("ok") }, "malformed"],
  ["a payload bomb", { payload: Buffer.alloc(100_000, 32) }, "malformed"],
  ["an envelope on the ack topic", { payload: Buffer.from('{"message_id":"m","content":"x"}') }, "malformed"],
  ["a retained ack", { retain: true }, "retained"],
  ["a topic below an ack topic", { topic: "delivery/ack/a/b" }, "malformed"],
  ["the prefix itself", { topic: "delivery/ack" }, "malformed"],
  ["an id that is not ours", { topic: "delivery/ack/42" }, "unknown"],
  // SETTLER-2
  ["another content's checksum", { payload: Buffer.from(`{"checksum":"${OTHER_CHECKSUM}"}`) }, "checksumMismatch"],
  ["another topic", { payload: Buffer.from('{"topic":"data/x"}') }, "topicMismatch"],
  [
    "a rejection on another topic",
    { payload: Buffer.from('{"status":"rejected","attempt_token":"1","topic":"data/x"}') },
    "topicMismatch",
  ],
  ["a rejection without a token", { payload: Buffer.from('{"status":"rejected"}') }, "stale"],
  [
    "a rejection with a token that is no number",
    { payload: Buffer.from('{"status":"rejected","attempt_token":"1; drop"}') },
    "stale",
  ],
  [
    "a rejection with a token beyond int8",
    { payload: Buffer.from(`{"status":"rejected","attempt_token":"${"9".repeat(19)}"}`) },
    "stale",
  ],
  [
    "a rejection of another content",
    { payload: Buffer.from(`{"status":"rejected","attempt_token":"1","checksum":"${OTHER_CHECKSUM}"}`) },
    "checksumMismatch",
  ],
];
test("retained acks are named in one warning, however many the broker keeps", () => {
  const rig = settlerRig();
  for (const id of ["1", "2"]) {
    const topic = `delivery/ack/01890a5d-ac96-774b-bcce-b302099a805${id}`;
    rig.settler.receive({ topic, payload: Buffer.from("{}"), qos: 1, retain: true, userProperties: undefined });
  }
  assert.equal(rig.settler.counts.retained, 2);
  assert.deepEqual(
    rig.log.messages().map((message) => /retained acks/.test(message)),
    [true],
  );
});

for (const [what, change, counter] of NOTHING) {
  test(`${what} changes nothing and is counted (${counter})`, async () => {
    const rig = settlerRig();
    const { id } = rig.publish();
    const plain = { topic: `delivery/ack/${id}`, payload: Buffer.from("{}"), qos: 1, retain: false } as const;
    rig.settler.receive({ ...plain, userProperties: undefined, ...change });
    await rig.writer.drain();
    assert.deepEqual([rig.settled, rig.rejected, rig.answers], [[], [], []]);
    const { received, ...counts } = rig.settler.counts;
    assert.equal(received, 1);
    assert.deepEqual(
      Object.entries(counts).filter(([, count]) => count > 0),
      [[counter, 1]],
    );
  });
}

test("with a secret only signed acks count, processed and rejected", async () => {
  const rig = settlerRig({ trust: trustOf({ secrets: [SECRET] }) });
  const { id, entry } = rig.publish();
  const { topic, checksum } = entry.message;
  const ack = plainAck({ message_id: id, topic, checksum });
  const rejected: Ack = { ...ack, status: "rejected", reason: "later" };
  const forged: Ack[] = [
    ack,
    { ...ack, signature: "hmac-sha256:00" },
    signed(ack, "another secret of sixteen"),
    { ...signed(ack, SECRET), client_id: "c2" },
    { ...signed(ack, SECRET), status: "rejected" },
    { ...signed(rejected, SECRET), retryable: false },
    { ...signed(rejected, SECRET), retry_after: 86_400 },
    { ...signed({ ...ack, status: "working", working_for: 2 }, SECRET), working_for: 86_400 },
    signed(ack, SECRET, "5b0c0e0e-0000-4000-8000-00000000000f"),
    signed(ack, SECRET, null),
  ];
  for (const one of forged) rig.receive(id, encodeAck(one));
  assert.deepEqual([rig.settler.counts.unsigned, rig.answers.length], [forged.length, 0]);
  // Honest acks of another message than this row, as an acker gives them that was sent a copy.
  rig.receive(id, encodeAck(signed({ ...ack, topic: "data/x" }, SECRET)));
  rig.receive(id, encodeAck(signed({ ...ack, checksum: OTHER_CHECKSUM }, SECRET)));
  assert.deepEqual([rig.settler.counts.topicMismatch, rig.settler.counts.checksumMismatch], [1, 1]);
  const honest = signed(ack, SECRET);
  rig.receive(id, encodeAck(honest));
  await rig.writer.drain();
  assert.deepEqual(
    rig.settled.flat().map(({ signature }) => signature),
    [honest.signature],
  );
  assert.deepEqual(rig.rejected, []);
});

test("unknown words of an ack without a status are counted; it counts as processed", async () => {
  const rig = settlerRig();
  const { id } = rig.publish();
  rig.receive(id, '{"success":true}');
  await rig.writer.drain();
  assert.deepEqual([rig.settler.counts.unknownWords, rig.settler.counts.settled], [1, 1]);
});

test("a rejection with the current token moves the window and is written with its reason made safe", async () => {
  const rig = settlerRig();
  const { id, entry } = rig.publish({ leaseToken: "7", attempts: 2 });
  const ack = { status: "rejected", reason: "no\ndisk", retryable: false, attempt_token: "7", client_id: "c1" };
  rig.receive(id, JSON.stringify(ack));
  await rig.writer.drain();
  assert.deepEqual(rig.answers, [entry]);
  assert.deepEqual(rig.rejected.flat(), [
    {
      ...{ messageId: id, leaseToken: "7", clientId: "c1", checksum: null, topic: null, signature: null },
      ...{ reason: "no\\u000adisk", retryable: false, retryInMs: 2_000 },
    },
  ]);
  assert.deepEqual([rig.settler.counts.rejected, rig.lanesFreed], [1, 1]);
});

test("SETTLER-3: a rejection with an earlier token changes no window, and the database reports it as stale", async () => {
  const rig = settlerRig();
  const { id } = rig.publish({ leaseToken: "7" });
  rig.answerRejections = () => [];
  rig.receive(id, '{"status":"rejected","attempt_token":"6"}');
  await rig.writer.drain();
  assert.deepEqual([rig.answers, rig.settler.counts.stale, rig.settler.counts.rejected], [[], 1, 0]);
});

test("a PUBACK settles a message that requires no ack", async () => {
  const rig = settlerRig();
  const { id, entry } = rig.publish({ requiresAck: false });
  rig.writer.brokerAcked(entry);
  await rig.writer.drain();
  assert.equal(rig.settled[0]?.[0]?.messageId, id);
  assert.deepEqual([rig.settled[0]?.[0]?.level, rig.settled[0]?.[0]?.clientId], ["broker", "broker"]);
});

test("rubbish is logged once a second, in one line, with how much there was", () => {
  const rig = settlerRig();
  for (let i = 0; i < 50; i++) rig.receive("a\u001b[31m", "[]");
  assert.equal(rig.log.lines.length, 1);
  rig.clock.at += 999;
  rig.receive("x", "[]");
  assert.equal(rig.log.lines.length, 1);
  rig.clock.at += 1;
  rig.receive("x", "[]");
  assert.equal(rig.log.lines.length, 2);
  assert.match(rig.log.lines[0] ?? "", /\\\\u001b/);
  assert.equal((JSON.parse(rig.log.lines[1] ?? "") as { malformed: number }).malformed, 52);
});

test("SETTLER-1: receiving never throws, and what is not valid reaches no statement", async () => {
  const topic = fc.oneof(
    fc.string(),
    fc.constantFrom("delivery/ack/", "delivery/ack"),
    fc.uuid().map((id) => `delivery/ack/${id}`),
  );
  const payload = fc.oneof(
    fc.uint8Array(),
    fc.json().map((json) => Buffer.from(json)),
  );
  await fc.assert(
    fc.asyncProperty(topic, payload, fc.boolean(), async (to, bytes, retain) => {
      const rig = settlerRig();
      rig.settler.receive({ topic: to, payload: Buffer.from(bytes), qos: 1, retain, userProperties: undefined });
      await rig.writer.drain();
      for (const { messageId, clientId } of [...rig.settled.flat(), ...rig.rejected.flat()]) {
        assert.match(messageId, /^[0-9a-f-]{36}$/);
        assert.ok(!clientId.includes("\u0000") && clientId.isWellFormed());
        assert.equal(retain, false);
      }
    }),
  );
});

test("IGNORED_ACKS-1: a device whose acks cannot be read is named with the reason, by its name or its message's topic", () => {
  const rig = settlerRig();
  const { id } = rig.publish({ topic: "plant/7" });
  assert.equal(rig.settler.ignored.read(rig.clock.at), null);
  rig.receive(id, "done");
  rig.receive(id, "done");
  const read = () => rig.settler.ignored.read(rig.clock.at);
  assert.deepEqual(read(), { device: "plant/7", reason: "is not JSON", count: 2, devices: 1 });
  rig.receive(id, '{"client_id":"pump","ok":0}');
  assert.deepEqual([read()?.device, read()?.devices], ["pump", 2]);
  for (let n = 0; n < 100; n++) rig.receive(id, `{"client_id":"made-up-${n}","ok":0}`);
  assert.equal(read()?.devices, 20);
  rig.clock.at += 600_001;
  assert.equal(read(), null);
});
