/** Signatures of acks: what they cover, who is trusted, what a key that is none says. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { type Ack, decodeAck, encodeAck, signAck } from "@acktor/shared/protocol/ack";
import {
  type AckTrust,
  ackTrust,
  judgeSignature,
  readPrivateKey,
  readPublicKeys,
  signAckWithKey,
} from "@acktor/shared/protocol/ack-signature";
import fc from "fast-check";
import { ackKeyPair } from "../../support/ack-keys.ts";

const OLD = "the old secret of the acks";
const NEW = "the new secret of the acks";
const one = ackKeyPair();
const other = ackKeyPair();
const stranger = ackKeyPair();
const trust = ackTrust([NEW, OLD], [one.publicKey, other.publicKey]);

const ACK: Ack = {
  message_id: "0191f3c4-7f00-7000-8000-000000000001",
  client_id: "c1",
  status: "processed",
  reason: null,
  retryable: true,
  attempt_token: "7",
  checksum: `sha256:${"ab".repeat(32)}`,
  signature: null,
};

function holds(ack: Ack, trusted: AckTrust | null = trust): boolean {
  assert.ok(trusted !== null);
  const judged = judgeSignature(ack, trusted);
  return judged.kind === "ed25519" ? judged.verify() : judged.kind === "signed";
}

test("two keys and two secrets are active at a time, and no other", () => {
  for (const { privateKey } of [one, other]) {
    assert.equal(holds({ ...ACK, signature: signAckWithKey(ACK, privateKey) }), true);
  }
  for (const secret of [OLD, NEW]) assert.equal(holds({ ...ACK, signature: signAck(ACK, secret) }), true);
  assert.equal(holds({ ...ACK, signature: signAckWithKey(ACK, stranger.privateKey) }), false);
  assert.equal(holds({ ...ACK, signature: signAck(ACK, "another secret of the acks") }), false);
  assert.equal(holds(ACK), false);
  assert.equal(ackTrust([null, null], []), null);
});

test("a signature survives its journey, and covers every part of the text", () => {
  const signature = signAckWithKey(ACK, one.privateKey);
  const decoded = decodeAck(ACK.message_id, Buffer.from(encodeAck({ ...ACK, signature })));
  assert.equal(decoded.kind === "ack" && holds(decoded.ack), true);
  const changes: Partial<Ack>[] = [
    { message_id: "another" },
    { client_id: "c2" },
    { client_id: null },
    { status: "rejected" },
    { attempt_token: "8" },
    { attempt_token: null },
    { checksum: null },
    { checksum: `sha256:${"cd".repeat(32)}` },
  ];
  for (const change of changes) assert.equal(holds({ ...ACK, ...change, signature }), false, JSON.stringify(change));
});

test("a signature under another key's name does not hold", () => {
  const [, , bytes] = signAckWithKey(ACK, one.privateKey).split(":");
  assert.equal(holds({ ...ACK, signature: `ed25519:${other.publicKey.id}:${bytes}` }), false);
});

test("whatever stands as a signature is judged without a throw, and nothing of it is verified", () => {
  const id = one.publicKey.id;
  const near = fc.oneof(
    fc.string(),
    fc.string().map((text) => `ed25519:${id}:${text}`),
    fc.constant(`ed25519:${id}:`),
  );
  fc.assert(
    fc.property(near, (signature) => {
      assert.ok(trust !== null);
      assert.equal(judgeSignature({ ...ACK, signature }, trust).kind, "unsigned");
    }),
  );
});

test("keys are read from PEM, several in one file; what is no Ed25519 key is refused without quoting it", () => {
  const both = readPublicKeys(`# acker-1\n${one.publicPem}\n# acker-2\n${other.publicPem}`);
  assert.deepEqual(typeof both === "string" ? both : both.map(({ id }) => id), [one.publicKey.id, other.publicKey.id]);
  assert.equal(one.privateKey.id, one.publicKey.id);
  const rsa = generateKeyPairSync("rsa", {
    modulusLength: 2_048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  assert.equal(readPublicKeys(rsa.publicKey), "holds a public key that is not Ed25519");
  assert.equal(readPublicKeys("canary"), "holds no public key in PEM");
  for (const text of [rsa.privateKey, "canary", one.publicPem]) {
    assert.equal(readPrivateKey(text), "is not an Ed25519 private key in PEM");
  }
});
