/** A sealed bus between members of a fleet and a stranger who shares the plain bus. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BusMessage } from "@acktor/shared/bus/bus";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import { busKey, seal } from "@acktor/shared/seal/seal";
import { SealedBus } from "@acktor/shared/seal/sealed-bus";
import { keptLogger } from "../../support/kept-logger.ts";
import { until } from "../../support/until.ts";

const KEY = busKey("a-secret-of-the-test-42");
const NONCE = "0123456789abcdef0123456789abcdef";
const START = 1_764_500_000_000;

function fleet() {
  const plain = new LocalBus();
  const log = keptLogger();
  const time = { now: 0 };
  const clock = { now: () => time.now, wallClock: () => START + time.now };
  const bus = new SealedBus(plain, { key: KEY, logger: log.logger, clock });
  const texts: string[] = [];
  const hear = ({ text }: BusMessage): void => void texts.push(text);
  return { plain, bus, log, time, texts, hear };
}

test("SEALED-1: only texts that the key sealed for this subject are passed on; `unsealed` receives all", async () => {
  const { plain, bus, texts, hear } = fleet();
  const all: string[] = [];
  bus.subscribe("a", hear);
  bus.subscribe("a", ({ text }) => all.push(text), { unsealed: true });
  bus.publish("a", "ours");
  plain.publish("a", "a stranger's");
  plain.publish("a", seal(KEY, "b", "for another subject", START, NONCE));
  await until(() => all.length === 3, 1_000, "three messages");
  assert.deepEqual(texts, ["ours"]);
  assert.equal(bus.counts.refused, 2);
});

test("SEALED-2: with `once` no text is received twice, and none from before the start", async () => {
  const { plain, bus, texts, hear } = fleet();
  const refusals: string[] = [];
  bus.subscribe("a", hear, { once: true, refused: (_, { kind }) => refusals.push(kind) });
  const text = seal(KEY, "a", "pause", START, NONCE);
  plain.publish("a", text);
  plain.publish("a", text);
  plain.publish("a", seal(KEY, "a", "early", START - 1, NONCE.replaceAll("0", "1")));
  await until(() => refusals.length === 2, 1_000, "two refusals");
  assert.deepEqual(texts, ["pause"]);
  assert.deepEqual(refusals, ["replayed", "early"]);
});

test("SEALED-3: a stranger who answers first neither answers nor suppresses the answer", async () => {
  const { plain, bus } = fleet();
  plain.subscribe("a", ({ respond }) => respond("forged"));
  bus.subscribe("a", ({ respond }) => respond("true"));
  assert.deepEqual(await bus.request("a", "?", 1_000), { ok: true, text: "true" });
  plain.subscribe("b", ({ respond }) => respond("forged"));
  assert.deepEqual(await bus.request("b", "?", 50), { ok: false, kind: "unproven", text: "forged" });
});

test("SEALED-4: refusals quote nothing, log one line a minute, and at most 100 a second are answered", async () => {
  const { plain, bus, log, hear } = fleet();
  let answered = 0;
  bus.subscribe("a", hear, { refused: ({ text }) => void (text === "" && answered++) });
  for (let i = 0; i < 150; i++) plain.publish("a", "a stranger's words");
  await until(() => bus.counts.refused === 150, 1_000, "150 refusals");
  assert.equal(answered, 100);
  assert.equal(log.lines.length, 1);
  assert.doesNotMatch(JSON.stringify(log.lines), /stranger/);
});
