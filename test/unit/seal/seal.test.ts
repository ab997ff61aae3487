/** The seal of the bus: what passes, what does not, and that no field can move into another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NonceMemory } from "@acktor/shared/seal/nonce-memory";
import { busKey, open, openAnswer, SEAL_WINDOW_MS, seal, sealAnswer } from "@acktor/shared/seal/seal";

const SECRET = "a-secret-of-the-test-42";
const KEY = busKey(SECRET);
const NONCE = "0123456789abcdef0123456789abcdef";
const NOW = 1_764_500_000_000;
const SUBJECT = "acktor.v1.cmd.acker.a1.pause";
const BODY = '{"v":1,"who":"ana"}';
const GOOD = seal(KEY, SUBJECT, BODY, NOW, NONCE);

const kindOf = (text: string, subject = SUBJECT, now = NOW): string => {
  const opened = open(KEY, subject, text, now);
  return opened.ok ? "good" : opened.why.kind;
};

test("SEAL-1: what was sealed is opened, and neither the secret nor the key is in the text", () => {
  assert.deepEqual(open(KEY, SUBJECT, GOOD, NOW), { ok: true, time: NOW, nonce: NONCE, body: BODY });
  assert.ok(!GOOD.includes(SECRET) && !GOOD.includes(KEY.export().toString("hex")));
});

test("SEAL-2, SEAL-3: every other subject, time, nonce, body, kind and key is a forgery", () => {
  const fields = JSON.parse(GOOD) as Record<string, unknown>;
  const altered: [string, string?][] = [
    [GOOD, "acktor.v1.cmd.acker.a1.drain"],
    [GOOD, `${SUBJECT}.x`],
    [JSON.stringify({ ...fields, time: NOW + 1 })],
    [JSON.stringify({ ...fields, nonce: `${NONCE}0` })],
    [JSON.stringify({ ...fields, body: `${BODY} ` })],
    [JSON.stringify({ ...fields, mac: "0".repeat(64) })],
    [sealAnswer(KEY, SUBJECT, BODY, NOW, NONCE)],
    [seal(busKey(`${SECRET}x`), SUBJECT, BODY, NOW, NONCE)],
    // The same bytes, cut elsewhere.
    [JSON.stringify({ ...fields, nonce: NONCE.slice(0, -1), body: `${NONCE.at(-1)}${BODY}` })],
  ];
  for (const [text, subject] of altered) assert.equal(kindOf(text, subject), "forged", text);
});

test("SEAL-5: any text without the form of a seal is unsigned", () => {
  const fields = JSON.parse(GOOD) as Record<string, unknown>;
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  const texts = ["", "null", "[]", "{}", BODY, deep, GOOD.slice(1), `{"v":2,"body":${deep}}`, `${GOOD}x`, "\ud800"];
  const odd = [
    { v: 1 },
    { v: "2" },
    { time: "1" },
    { time: 1.5 },
    { time: -1 },
    { nonce: "short" },
    { nonce: 1 },
  ].concat([
    { nonce: "x".repeat(65) },
    { mac: "00" },
    { mac: "G".repeat(64) },
    { body: {} },
    { body: null },
  ] as never[]);
  for (const one of odd) texts.push(JSON.stringify({ ...fields, ...one }));
  texts.push(JSON.stringify({ ...fields, body: "\ud800" }), JSON.stringify({ ...fields, body: "x".repeat(1_100_000) }));
  for (const text of texts) assert.equal(kindOf(text), "unsigned", text.slice(0, 200));
});

test("outside of the window it is stale, and the refusal tells by how much the clocks differ", () => {
  assert.equal(kindOf(GOOD, SUBJECT, NOW + SEAL_WINDOW_MS), "good");
  assert.equal(kindOf(GOOD, SUBJECT, NOW - SEAL_WINDOW_MS), "good");
  const late = open(KEY, SUBJECT, GOOD, NOW + 45_000);
  assert.ok(!late.ok && late.why.kind === "stale" && late.nonce === NONCE);
  assert.match(late.why.reason, /45 s behind the clock here, and 30 s are allowed/);
  const early = open(KEY, SUBJECT, GOOD, NOW - 31_000);
  assert.ok(!early.ok);
  assert.match(early.why.reason, /31 s ahead of/);
});

test("SEAL-4: an answer is for its request only, at any time of the clock", () => {
  const answer = sealAnswer(KEY, SUBJECT, '{"ok":true}', NOW - 1e9, NONCE);
  assert.equal(openAnswer(KEY, SUBJECT, NONCE, answer), '{"ok":true}');
  assert.equal(openAnswer(KEY, SUBJECT, `${NONCE}0`, answer), null);
  assert.equal(openAnswer(KEY, "acktor.v1.cmd.acker.a2.pause", NONCE, answer), null);
  assert.equal(openAnswer(KEY, SUBJECT, NONCE, GOOD), null, "a request is no answer");
  assert.equal(openAnswer(KEY, SUBJECT, NONCE, '{"ok":true}'), null);
});

test("NONCE-1, NONCE-2: a nonce passes once while it is remembered; when it is full nothing is forgotten", () => {
  const memory = new NonceMemory(60_000, 2);
  assert.equal(memory.admit("a", 0), "new");
  assert.equal(memory.admit("b", 10), "new");
  assert.equal(memory.admit("a", 59_999), "used");
  assert.equal(memory.admit("c", 59_999), "full");
  assert.equal(memory.admit("b", 60_000), "used");
  assert.equal(memory.admit("c", 60_000), "new");
  assert.equal(memory.admit("a", 60_000), "full");
});
