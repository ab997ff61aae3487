/** Commands: to oneself, to another, to all; refused, unauthorized, unanswered; each recorded once. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import type { AskedCommand } from "@acktor/shared/inspect/command-desk";
import type { CommandReply } from "@acktor/shared/inspect/wire";
import { busKey, openAnswer, seal } from "@acktor/shared/seal/seal";
import { cleanUp } from "../../support/cleanup.ts";
import { SUBJECTS, type TestInstance, type TestInstanceOptions, testInstance } from "../../support/control.ts";
import { until } from "../../support/until.ts";

function join(t: TestContext, bus: LocalBus, name: string, options: TestInstanceOptions = {}): TestInstance {
  const instance = testInstance(bus, name, options);
  cleanUp(t, () => instance.stop());
  return instance;
}

const PAUSE: AskedCommand = { command: "pause", who: "me", from: "10.0.0.1", args: {} };

async function ask(bus: LocalBus, subject: string, request: object): Promise<CommandReply> {
  const reply = await bus.request(subject, JSON.stringify(request), 1_000);
  assert.ok(reply.ok, JSON.stringify(reply));
  return JSON.parse(reply.text) as CommandReply;
}

test("DESK-2: a command to the own instance runs and is recorded, with who and from where", async (t) => {
  const one = join(t, new LocalBus(), "one");
  const replies = await one.commands.send({ service: "publisher", instance: "one" }, PAUSE);
  assert.deepEqual(replies, [{ v: 1, service: "publisher", instance: "one", ok: true, result: { done: "pause" } }]);
  const names = { service: "publisher", instance: "one", action: "pause" } as const;
  const detail = { result: { done: "pause" } };
  assert.deepEqual(one.records, [
    { who: "me", said: null, from: "10.0.0.1", ...names, outcome: "done", detail, messages: 0 },
  ]);
});

test("DESK-2: a command to another instance runs and is recorded there, and only there", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  const two = join(t, bus, "a.2", { service: "acker" });
  const [reply] = await one.commands.send({ service: "acker", instance: "a.2" }, PAUSE);
  assert.deepEqual([reply?.ok, reply?.instance], [true, "a.2"]);
  assert.deepEqual([one.obeyed, two.obeyed], [[], ["pause"]]);
  assert.deepEqual([one.records.length, two.records[0]?.who, two.records[0]?.from], [0, "me", "10.0.0.1"]);
});

test("a command to all of a service runs once on each, the sender included, and on no other service", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  const two = join(t, bus, "two");
  const acker = join(t, bus, "acker", { service: "acker" });
  await until(() => one.fleet.count("publisher") === 1, 1_000);
  const replies = await one.commands.send({ service: "publisher", instance: null }, PAUSE);
  assert.deepEqual(
    replies.map(({ instance }) => instance),
    ["one", "two"],
  );
  assert.deepEqual([one.obeyed, two.obeyed, acker.obeyed], [["pause"], ["pause"], []]);
});

test("a command without a receiver has no answer", async (t) => {
  const one = join(t, new LocalBus(), "one");
  assert.deepEqual(await one.commands.send({ service: "acker", instance: "x" }, PAUSE), []);
  assert.deepEqual(await one.commands.send({ service: "acker", instance: null }, PAUSE), []);
});

test("DESK-2: a command that the state does not allow is refused with the reason, and recorded", async (t) => {
  const bus = new LocalBus();
  const reason = "pause is not possible: the service is STARTING";
  const one = join(t, bus, "one", { execute: async () => ({ ok: false, code: 409, reason }) });
  const reply = await ask(bus, SUBJECTS.command("publisher", "one", "pause"), { v: 1, who: "them" });
  assert.deepEqual(reply, { v: 1, service: "publisher", instance: "one", ok: false, code: 409, reason });
  assert.deepEqual(
    [one.records[0]?.outcome, one.records[0]?.detail, one.records[0]?.from],
    ["refused", { reason }, "bus"],
  );
});

const SECRET = "right-secret-16-letters";
const NONCE = "0123456789abcdef";

test("DESK-1: where there is a secret, what it did not sign is 401, changes nothing, and one of each kind is recorded", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one", { secret: SECRET });
  const subject = SUBJECTS.command("publisher", "one", "breaker.open");
  const body = JSON.stringify({ v: 1, who: "mallory", from: "10.9.9.9", args: {} });
  const good = busKey(SECRET);
  const now = Date.now();
  const texts: readonly (readonly [kind: string, text: string])[] = [
    ["unsigned", body],
    ["unsigned", JSON.stringify({ v: 1, who: "mallory", token: SECRET })],
    ["forged", seal(busKey("wrong-secret-16-letters"), subject, body, now, NONCE)],
    ["forged", seal(good, SUBJECTS.command("publisher", "one", "drain"), body, now, NONCE)],
    ["forged", seal(good, subject, body, now, NONCE).replace("mallory", "ana")],
    ["stale", seal(good, subject, body, now - 31_000, NONCE)],
    ["stale", seal(good, subject, body, now + 40_000, NONCE)],
    ["early", seal(good, subject, body, now - 20_000, NONCE)],
  ];
  for (const [kind, text] of texts) {
    const reply = await bus.request(subject, text, 1_000);
    assert.ok(reply.ok);
    assert.match(reply.text, /401/, kind);
    assert.ok(!reply.text.includes("mallory") && !reply.text.includes(SECRET), reply.text);
  }
  assert.deepEqual(one.obeyed, []);
  const lines = one.records.map(({ who, from, action, outcome }) => [who, from, action, outcome].join(" "));
  assert.deepEqual(lines, Array(4).fill("stranger bus breaker.open unauthorized"), "unsigned, forged, stale, early");
  assert.doesNotMatch(JSON.stringify(one.records), /mallory|right-secret|[0-9a-f]{64}/);
});

test("DESK-1: a signed command is executed once; a second copy is 401, though it is unchanged", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one", { secret: SECRET });
  const subject = SUBJECTS.command("publisher", "one", "pause");
  const text = seal(busKey(SECRET), subject, JSON.stringify({ v: 1, who: "ana" }), Date.now(), NONCE);
  const answers: string[] = [];
  for (let i = 0; i < 3; i++) {
    const reply = await bus.request(subject, text, 1_000);
    answers.push(reply.ok ? reply.text : "");
  }
  const opened = answers.map((answer) => openAnswer(busKey(SECRET), subject, NONCE, answer));
  assert.match(opened[0] ?? "", /"ok":true/);
  assert.match(answers[1] ?? "", /"code":401.*nonce was used before/);
  // Sealed for this nonce, it could come before the true answer, and stand for it.
  assert.deepEqual([opened[1], opened[2]], [null, null]);
  assert.deepEqual(one.obeyed, ["pause"]);
  assert.deepEqual(
    [one.records[0]?.who, one.records[0]?.outcome, one.records[1]?.outcome],
    ["ana", "done", "unauthorized"],
  );
});

test("a publisher signs what it passes on, and no message contains the secret", async (t) => {
  const bus = new LocalBus();
  const said: string[] = [];
  bus.subscribe(">", ({ text }) => void said.push(text));
  const one = join(t, bus, "one", { secret: SECRET });
  const two = join(t, bus, "two", { secret: SECRET });
  await until(() => one.fleet.count("publisher") === 1, 1_000);
  const [reply] = await one.commands.send({ service: "publisher", instance: "two" }, PAUSE);
  assert.equal(reply?.ok, true);
  assert.equal((await one.commands.send({ service: "publisher", instance: null }, PAUSE)).length, 2);
  assert.deepEqual(two.obeyed, ["pause", "pause"]);
  assert.deepEqual([two.records[0]?.who, two.records[0]?.from], ["me", "10.0.0.1"]);
  assert.ok(said.length > 4 && said.every((text) => !text.includes(SECRET)));
});

test("COMMANDS-1: another instance's answer does not count; an instance with another secret counts as a refusal", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one", { secret: SECRET });
  const done = JSON.stringify({ v: 1, service: "acker", instance: "a", ok: true, result: {} });
  const end = bus.subscribe(SUBJECTS.command("acker", "a", "pause"), ({ respond }) => respond(done));
  const forged = await one.commands.send({ service: "acker", instance: "a" }, PAUSE);
  assert.deepEqual(forged, [], "a stranger's done");
  end();
  const other = join(t, bus, "a", { service: "acker", secret: "other-secret-16-letters" });
  const [reply] = await one.commands.send({ service: "acker", instance: "a" }, PAUSE);
  assert.deepEqual([reply?.ok, reply?.code, other.obeyed], [false, 401, []]);
});

test("an unknown command, or an invalid request, is 400", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  const explode = await ask(bus, SUBJECTS.command("publisher", "one", "explode"), { v: 1, who: "x" });
  assert.deepEqual([explode.code, explode.reason], [400, "explode is not a command"]);
  const nobody = await ask(bus, SUBJECTS.command("publisher", "one", "pause"), { v: 1 });
  assert.equal(nobody.code, 400);
  assert.deepEqual([one.obeyed, one.desk.malformed], [[], 2]);
});

test("a flood of commands is bounded", async (t) => {
  const bus = new LocalBus();
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const execute = async () => {
    await held;
    return { ok: true, result: null } as const;
  };
  const one = join(t, bus, "one", { execute });
  const running = Array.from({ length: 25 }, () => one.desk.run(PAUSE));
  release();
  const replies = await Promise.all(running);
  assert.equal(replies.filter(({ code }) => code === 503).length, 5);
  assert.equal(one.records.length, 20);
});

test("DESK-3: a command is recorded, then answered, then its service stops", async (t) => {
  const order: string[] = [];
  const execute = async () =>
    ({ ok: true, result: null, stops: { stop: async () => void order.push("after") } }) as const;
  const one = join(t, new LocalBus(), "one", { execute });
  await one.desk.run(PAUSE);
  order.push(`answered, ${one.records.length} recorded`);
  await until(() => order.length === 2, 1_000);
  assert.deepEqual(order, ["answered, 1 recorded", "after"]);
});
