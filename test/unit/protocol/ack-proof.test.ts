/** Signatures of acks and envelopes: what they cover, which keys are trusted, the message for an invalid key. */
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { type Ack, decodeAck, encodeAck, topicInAck } from "@acktor/shared/protocol/ack";
import { AckTrust, ackText } from "@acktor/shared/protocol/ack-proof";
import { checksumOf, decodeEnvelope, type Envelope, encodeEnvelope } from "@acktor/shared/protocol/envelope";
import { EnvelopeSigner, EnvelopeTrust, envelopeText } from "@acktor/shared/protocol/envelope-proof";
import { HmacKey } from "@acktor/shared/protocol/hmac";
import { readPrivateKey, readPublicKeys } from "@acktor/shared/protocol/keys";
import { signedFields } from "@acktor/shared/protocol/signing";
import fc from "fast-check";
import { ackKeyPair } from "../../support/ack-keys.ts";
import { OUTBOX, plainAck, signed, type TestKey, trustOf } from "../../support/proof.ts";

const OLD = "the old secret of the acks";
const NEW = "the new secret of the acks";
const one = ackKeyPair();
const other = ackKeyPair();
const stranger = ackKeyPair();
const trust = trustOf({ secrets: [NEW, OLD, null], publicKeys: [one.publicKey, other.publicKey] });
const both = trustOf({ secrets: [NEW, OLD], publicKeys: [one.publicKey], versions: ["1", "2"] });
const KEYS: readonly TestKey[] = [NEW, one.privateKey];

const ACK = plainAck({ topic: "devices/7/cmd", attempt_token: "7", checksum: `sha256:${"ab".repeat(32)}` });
const REJECTED: Ack = { ...ACK, status: "rejected", reason: "no paper", retryable: true, retry_after: 5 };
const WORKING: Ack = { ...ACK, status: "working", working_for: 2, elapsed: 1.5 };

function holds(ack: Ack, trusted = trust, outbox = OUTBOX): boolean {
  const judged = trusted.judge(ack, outbox);
  return judged.kind === "ed25519" ? judged.verify() : judged.kind === "signed";
}

test("HMAC-1: the fast way gives what createHmac gives, for every key and text", () => {
  const key = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.string({ minLength: 60, maxLength: 70 }));
  fc.assert(
    fc.property(key, fc.string({ unit: "binary" }), (secret, text) => {
      const wanted = createHmac("sha256", secret).update(text, "utf8").digest("hex");
      const hmac = new HmacKey(secret);
      assert.equal(hmac.hex(text), wanted);
      assert.equal(hmac.matches(text, wanted), true);
      assert.equal(
        hmac.matches(
          text,
          wanted.replace(/^./, (c) => (c === "0" ? "1" : "0")),
        ),
        false,
      );
      assert.equal(hmac.matches(text, wanted.slice(1)), false);
    }),
  );
});

test("HMAC-2: all digits are read when the first one is wrong already", () => {
  let reads = 0;
  class Counted extends String {
    override charCodeAt(at: number): number {
      reads++;
      return super.charCodeAt(at);
    }
  }
  const wrong = new Counted("z".repeat(64)) as unknown as string;
  assert.equal(new HmacKey(NEW).matches("text", wrong), false);
  assert.equal(reads, 64);
});

test("one wrong digit at any place of an HMAC is refused, and a malformed signature as well", () => {
  const hmac = new HmacKey(NEW);
  const wanted = hmac.hex("text");
  for (let at = 0; at < wanted.length; at++) {
    const digit = wanted[at] === "0" ? "1" : "0";
    assert.equal(hmac.matches("text", wanted.slice(0, at) + digit + wanted.slice(at + 1)), false, `digit ${at}`);
    // Its low byte is the right digit.
    const wide = String.fromCharCode(wanted.charCodeAt(at) + 0x100);
    assert.equal(hmac.matches("text", wanted.slice(0, at) + wide + wanted.slice(at + 1)), false, `wide digit ${at}`);
  }
  for (const malformed of [
    "",
    wanted.toUpperCase(),
    `${wanted}0`,
    `${wanted}\n`,
    ` ${wanted}`,
    wanted.slice(0, 63),
    "z".repeat(64),
  ]) {
    assert.equal(hmac.matches("text", malformed), false, JSON.stringify(malformed));
  }
  assert.equal(hmac.matches("text", wanted), true);
});

test("SIGN-1: no two lists of fields give one text; lengths are bytes of UTF-8", () => {
  assert.equal(signedFields("p", ["a", null, "", "é"]), "1:p1:a-0:2:é");
  const fields = fc.array(fc.option(fc.string({ unit: "grapheme", maxLength: 4 })), { maxLength: 4 });
  fc.assert(
    fc.property(fields, fields, (a, b) => {
      const same = JSON.stringify(a) === JSON.stringify(b);
      assert.equal(signedFields("p", a) === signedFields("p", b), same);
    }),
  );
  assert.notEqual(signedFields("acktor-ack-v2", ["a"]), signedFields("acktor-envelope-v2", ["a"]));
});

test("two keys and two secrets are active at a time, and no other", () => {
  for (const key of [OLD, NEW, one.privateKey, other.privateKey]) assert.equal(holds(signed(ACK, key)), true);
  for (const key of ["another secret of the acks", stranger.privateKey]) assert.equal(holds(signed(ACK, key)), false);
  assert.equal(holds(ACK), false);
  assert.equal(AckTrust.of({ secrets: [null], publicKeys: [], versions: ["2"] }), null);
});

test("ACK-PROOF-1: a signature survives its journey, and covers every field that the publisher acts on", () => {
  for (const key of KEYS) {
    for (const ack of [ACK, REJECTED, WORKING]) {
      const under = signed(ack, key);
      const decoded = decodeAck(ack.message_id, Buffer.from(encodeAck(under)));
      assert.equal(decoded.kind === "ack" && holds(decoded.ack), true, ack.status);
      const changes: Partial<Ack>[] = [
        { message_id: "another" },
        { client_id: "c2" },
        { client_id: null },
        { status: ack.status === "rejected" ? "processed" : "rejected" },
        { attempt_token: "8" },
        { attempt_token: null },
        { topic: "data/x" },
        { checksum: `sha256:${"cd".repeat(32)}` },
        { retry_after: 86_400 },
        { working_for: 86_400 },
        { elapsed: 600 },
        ...(ack.status === "rejected" ? [{ retryable: false }, { reason: "other" }, { reason: null }] : []),
      ];
      for (const change of changes) assert.equal(holds({ ...under, ...change }), false, JSON.stringify(change));
      assert.equal(holds(under, trust, "5b0c0e0e-0000-4000-8000-000000000002"), false, "another outbox");
    }
  }
});

test("ACK-PROOF-2: a signature over an ack without topic or checksum proves nothing of a message", () => {
  for (const lack of [{ topic: null }, { checksum: null }])
    assert.equal(holds(signed({ ...ACK, ...lack }, NEW)), false);
});

test("version 1 counts where it is configured, and nowhere else", () => {
  for (const key of KEYS) {
    const v1 = signed(ACK, key, null);
    assert.deepEqual([holds(v1), holds(v1, both)], [false, true]);
    assert.equal(holds({ ...v1, status: "rejected" }, both), false);
    assert.equal(
      holds(signed(ACK, key), trustOf({ secrets: [NEW], publicKeys: [one.publicKey], versions: ["1"] })),
      false,
    );
  }
});

test("SIGN-2: a signature under another key's name does not hold", () => {
  const bytes = signed(ACK, one.privateKey).signature?.split(":").at(-1);
  assert.equal(holds({ ...ACK, signature: `v2:ed25519:${other.publicKey.id}:${bytes}` }), false);
});

test("one text for each signature: what decodes to the same bytes is another signature, and holds for nothing", () => {
  const hmac = signed(ACK, NEW).signature ?? "";
  const wide = hmac.replace(/[0-9a-f]$/, (c) => String.fromCharCode(c.charCodeAt(0) + 0x100));
  const ed25519 = signed(ACK, one.privateKey).signature ?? "";
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const spare = `${ed25519.slice(0, -1)}${letters[letters.indexOf(ed25519.slice(-1)) + 1]}`;
  for (const signature of [wide, hmac.toUpperCase(), `${hmac} `, spare, `${ed25519}=`]) {
    assert.equal(holds({ ...ACK, signature }), false, signature);
  }
});

test("SIGN-3: any text as a signature is judged without a throw, and proves nothing", () => {
  const id = one.publicKey.id;
  const near = fc.oneof(
    fc.string(),
    fc.string().map((text) => `v2:ed25519:${id}:${text}`),
    fc.string().map((text) => `ed25519:${id}:${text}`),
    fc.string().map((text) => `v2:hmac-sha256:${id}:${text}`),
  );
  fc.assert(
    fc.property(near, (signature) => {
      assert.equal(trust.judge({ ...ACK, signature }, OUTBOX).kind, "unsigned");
      assert.equal(both.judge({ ...ACK, signature }, OUTBOX).kind, "unsigned");
    }),
  );
});

test("the text of an ack is what the protocol's reference says", () => {
  assert.equal(
    ackText({ ...REJECTED, reason: "zu heiß" }, OUTBOX),
    `13:acktor-ack-v236:${OUTBOX}36:${ACK.message_id}1:713:devices/7/cmd71:${ACK.checksum}8:rejected4:true4:5000--8:zu heiß2:c1`,
  );
});

test("a topic that no ack has room for is named by its digest", () => {
  assert.equal(topicInAck("a/b"), "a/b");
  assert.equal(topicInAck("a".repeat(1_024)).length, 1_024);
  assert.equal(topicInAck("é".repeat(512)), "é".repeat(512));
  assert.match(topicInAck("é".repeat(513)), /^sha256:[0-9a-f]{64}$/);
});

const ENVELOPE: Envelope = {
  message_id: ACK.message_id,
  content: "open",
  timestamp: 1.5,
  requires_ack: true,
  ack_topic: `delivery/ack/${ACK.message_id}`,
  retry_count: 0,
  checksum: checksumOf("open", "utf8"),
  content_encoding: "utf8",
  content_type: "text/plain",
  ordering_key: "k",
  attempt_token: "7",
  expires_in: 2.5,
  traceparent: null,
  topic: "devices/7/cmd",
  outbox: OUTBOX,
  signature: null,
};

function envelopeTrust(acceptsUnsigned = false): EnvelopeTrust {
  const options = { secrets: [NEW], publicKeys: [one.publicKey], acceptsUnsigned, now: () => 0 };
  const trusted = EnvelopeTrust.of(options);
  assert.ok(trusted !== null);
  return trusted;
}

function sealed(envelope: Envelope, key: TestKey): Envelope {
  const keys = typeof key === "string" ? { privateKey: null, secret: key } : { privateKey: key, secret: null };
  const signature = EnvelopeSigner.of(keys)?.sign(envelope) ?? null;
  const decoded = decodeEnvelope(Buffer.from(encodeEnvelope({ ...envelope, signature })));
  assert.ok(decoded.kind === "envelope");
  return decoded.envelope;
}

test("ENV-PROOF-1: an envelope's signature survives its journey, and covers every field that an acker acts on", () => {
  for (const key of KEYS) {
    const under = sealed(ENVELOPE, key);
    assert.equal(envelopeTrust().authenticate(under, "devices/7/cmd").kind, "authentic");
    const changes: Partial<Envelope>[] = [
      { message_id: "another" },
      { outbox: "5b0c0e0e-0000-4000-8000-000000000002" },
      { checksum: `sha256:${"cd".repeat(32)}` },
      { attempt_token: "8" },
      { attempt_token: null },
      { expires_in: 86_400 },
      { expires_in: null },
      { content_encoding: "base64" },
      { content_type: null },
      { requires_ack: false },
      { ack_topic: "other/ack" },
      { retry_count: 1 },
      { ordering_key: null },
      { signature: null },
      { topic: null },
      { outbox: null },
      { checksum: null },
    ];
    for (const change of changes) {
      const verdict = envelopeTrust().authenticate({ ...under, ...change }, "devices/7/cmd");
      assert.equal(verdict.kind, "refused", JSON.stringify(change));
    }
    for (const key of ["another secret of that length", stranger.privateKey]) {
      assert.equal(envelopeTrust().authenticate(sealed(ENVELOPE, key), "devices/7/cmd").kind, "refused");
    }
  }
});

test("ENV-PROOF-2: an envelope is authentic on its own topic only, for every topic that it names", () => {
  const under = sealed(ENVELOPE, NEW);
  assert.equal(envelopeTrust().authenticate(under, "data/x").kind, "refused");
  assert.equal(envelopeTrust().authenticate({ ...under, topic: "data/x" }, "data/x").kind, "refused");
});

test("an envelope without a signature is processed only where version 1 is accepted; a wrong one never is", () => {
  assert.equal(envelopeTrust(true).authenticate(ENVELOPE, "devices/7/cmd").kind, "unproven");
  assert.equal(envelopeTrust(true).authenticate({ ...ENVELOPE, signature: "v2:" }, "devices/7/cmd").kind, "refused");
});

test("a flood of forged Ed25519 envelopes is verified only so often", () => {
  const trusted = envelopeTrust();
  const forged = { ...ENVELOPE, signature: `v2:ed25519:${one.publicKey.id}:${"A".repeat(86)}` };
  const reasons = Array.from({ length: 5_000 }, () => trusted.authenticate(forged, "devices/7/cmd"));
  const verified = reasons.filter((verdict) => verdict.kind === "refused" && !/not verified/.test(verdict.reason));
  assert.equal(verified.length, 1_000);
});

test("the text of an envelope is what the protocol's reference says", () => {
  assert.equal(
    envelopeText(ENVELOPE),
    `18:acktor-envelope-v236:${OUTBOX}36:${ACK.message_id}13:devices/7/cmd71:${ENVELOPE.checksum}1:74:25004:utf8` +
      `10:text/plain4:true49:delivery/ack/${ACK.message_id}1:01:k`,
  );
});

test("keys are read from PEM, several in one file; another kind of key is rejected without quoting it", () => {
  const two = readPublicKeys(`# acker-1\n${one.publicPem}\n# acker-2\n${other.publicPem}`);
  assert.deepEqual(typeof two === "string" ? two : two.map(({ id }) => id), [one.publicKey.id, other.publicKey.id]);
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
