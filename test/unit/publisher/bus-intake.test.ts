/** The way in over the bus: HTTP's rules and HTTP's codes, one publisher a message, no door without the token. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { takeFromBus } from "@acktor/publisher/intake/bus-intake";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import { AWAY } from "../../support/db-results.ts";
import { intakeRig } from "../../support/intake-rig.ts";

const LIMITS = {
  reserved: ["delivery/ack"],
  defaultTtlMs: null,
  defaultMaxRetries: null,
  retentionMs: 1e9,
  wallClock: () => 0,
};

function rig(token: string | null = null) {
  const bus = new LocalBus();
  const intake = intakeRig();
  const end = takeFromBus({ bus, subject: "enqueue", intake: intake.intake, limits: LIMITS, token });
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

test("where there is a token it stands in the body, and goes no further", async () => {
  const { intake, codeOf } = rig("right-token-16-letters");
  for (const token of [undefined, "", "wrong", 1, null]) assert.equal(await codeOf({ ...good, token }), "unauthorized");
  assert.equal(intake.inserts.length, 0);
  assert.equal(await codeOf({ ...good, token: "right-token-16-letters" }), "accepted");
  assert.ok(!JSON.stringify(intake.inserts).includes("right-token"));
});

test("of several publishers one takes each message; after the end nobody does", async () => {
  const one = rig();
  const other = intakeRig();
  takeFromBus({ bus: one.bus, subject: "enqueue", intake: other.intake, limits: LIMITS, token: null });
  for (let i = 0; i < 10; i++) await one.ask(good);
  assert.deepEqual([one.intake.inserts.length, other.inserts.length], [5, 5]);
  one.end();
  one.end();
  await one.ask(good);
  assert.equal(other.inserts.length, 6);
});
