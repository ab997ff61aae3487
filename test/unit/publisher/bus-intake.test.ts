/** The way in over the bus: HTTP's rules and HTTP's codes, one publisher a message, no door without the fleet's secret. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { takeFromBus } from "@acktor/publisher/intake/bus-intake";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import { busKey, openAnswer, seal } from "@acktor/shared/seal/seal";
import { sealedBus } from "../../support/control.ts";
import { AWAY } from "../../support/db-results.ts";
import { insertedRow, intakeRig } from "../../support/intake-rig.ts";

const LIMITS = {
  reserved: ["delivery/ack"],
  defaultTtlMs: null,
  defaultMaxRetries: null,
  defaultHoldMs: null,
  retentionMs: 1e9,
  clock: { wallClock: () => 0 },
};

function rig(secret: string | null = null) {
  const bus = new LocalBus();
  const intake = intakeRig();
  const heard = secret === null ? bus : sealedBus(bus, secret);
  const end = takeFromBus({ bus: heard, subject: "enqueue", intake: intake.intake, limits: LIMITS });
  const ask = async (body: unknown): Promise<Record<string, unknown>> => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const reply = await bus.request("enqueue", text, 2_000);
    assert.ok(reply.ok, JSON.stringify(reply));
    return JSON.parse(reply.text) as Record<string, unknown>;
  };
  const codeOf = async (body: unknown): Promise<string> => {
    const { error } = (await ask(body)) as { error?: { code: string; field?: string } };
    return error === undefined ? "accepted" : [error.code, error.field ?? ""].join(" ").trim();
  };
  return { bus, intake, end, ask, codeOf };
}

const good = { topic: "a", content: "x" };

test("a message is answered after its commit, with its id", async () => {
  const { intake, ask } = rig();
  const answer = await ask(good);
  assert.deepEqual(answer, { message_id: intake.inserts[0]?.messages[0]?.messageId, state: "pending" });
});

test("an idempotency key is that of HTTP, under its own name", async () => {
  const { intake, ask, codeOf } = rig();
  await ask({ ...good, idempotency_key: "k1" });
  assert.equal(intake.inserts[0]?.messages[0]?.idempotency?.key, "k1");
  assert.equal(await codeOf({ ...good, idempotency_key: 1 }), "invalid_field idempotency_key");
  assert.equal(await codeOf({ ...good, idempotency_key: "\u0085" }), "invalid_field idempotency_key");
  intake.answer = () => ({ ok: false, conflict: { index: 0 } });
  assert.equal(await codeOf({ ...good, idempotency_key: "k1" }), "idempotency_conflict idempotency_key");
});

const REFUSED: readonly (readonly [body: unknown, code: string])[] = [
  ["", "invalid_json"],
  ["nonsense", "invalid_json"],
  ["[]", "invalid_json"],
  ["null", "invalid_json"],
  [{}, "invalid_field topic"],
  [{ ...good, topic: "a/#" }, "invalid_topic topic"],
  [{ ...good, topic: "delivery/ack/1" }, "reserved_topic topic"],
  [{ ...good, qoss: 1 }, "unknown_field qoss"],
];

test("what HTTP refuses is refused, by the same codes; nothing is stored", async () => {
  const { intake, codeOf } = rig();
  for (const [body, code] of REFUSED) assert.equal(await codeOf(body), code, JSON.stringify(body));
  assert.equal(intake.inserts.length, 0);
  intake.full = () => true;
  assert.equal(await codeOf(good), "high_water");
  intake.full = () => false;
  intake.answer = () => AWAY;
  assert.equal(await codeOf(good), "database_unavailable");
});

const SECRET = "right-secret-16-letters";

test("ENQUEUE-2: with a secret, an unsigned message is unauthorized; no part of a seal is passed on", async () => {
  const { intake, codeOf } = rig(SECRET);
  const text = JSON.stringify(good);
  const wrong = seal(busKey("wrong-secret-16-letters"), "enqueue", text, Date.now(), "0123456789abcdef");
  const late = seal(busKey(SECRET), "enqueue", text, Date.now() - 31_000, "0123456789abcdef");
  for (const one of [good, { ...good, token: SECRET }, wrong]) assert.equal(await codeOf(one), "unauthorized");
  assert.equal(intake.inserts.length, 0);
  const { bus } = rig(SECRET);
  const reply = await bus.request("enqueue", late, 1_000);
  assert.match(reply.ok ? reply.text : "", /31 s behind the clock here/);
});

test("ENQUEUE-3: a signed message names its own key, else its nonce is the key: a second copy is the same message", async () => {
  const { intake, bus } = rig(SECRET);
  const ask = async (body: object, nonce: string) => {
    const reply = await bus.request(
      "enqueue",
      seal(busKey(SECRET), "enqueue", JSON.stringify(body), Date.now(), nonce),
      1_000,
    );
    return reply.ok ? openAnswer(busKey(SECRET), "enqueue", nonce, reply.text) : null;
  };
  assert.match((await ask(good, "0123456789abcdef")) ?? "", /"state":"pending"/);
  await ask(good, "0123456789abcdef");
  await ask({ ...good, idempotency_key: "k1" }, "0123456789abcdeg");
  const keys = intake.inserts.map(({ messages }) => messages[0]?.idempotency?.key);
  assert.deepEqual(keys, ["bus:0123456789abcdef", "bus:0123456789abcdef", "k1"]);
});

test("ENQUEUE-4: what waits for the database is bounded, in messages and in bytes", async () => {
  const { intake, codeOf } = rig();
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  intake.answer = async ({ messages }) => {
    await held;
    return { ok: true, inserted: messages.map(insertedRow) };
  };
  const content = "x".repeat(200_000);
  const asked = Array.from({ length: 100 }, () => codeOf({ topic: "a", content }));
  release();
  const codes = await Promise.all(asked);
  assert.deepEqual([...new Set(codes)].sort(), ["accepted", "high_water"]);
  assert.ok(codes.filter((code) => code === "accepted").length > 70);
});

test("exactly one of several publishers takes each message; after a publisher stops it takes none", async () => {
  const one = rig();
  const other = intakeRig();
  takeFromBus({ bus: one.bus, subject: "enqueue", intake: other.intake, limits: LIMITS });
  for (let i = 0; i < 10; i++) await one.ask(good);
  assert.deepEqual([one.intake.inserts.length, other.inserts.length], [5, 5]);
  one.end();
  one.end();
  await one.ask(good);
  assert.equal(other.inserts.length, 6);
});
