/** What admits a publish, and which outcomes count. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PublishOutcome } from "@acktor/shared/link/link";
import { DEFAULT_BREAKER } from "@acktor/shared/link/link-policy";
import { PublishGate } from "@acktor/shared/link/publish-gate";

const ACKED: PublishOutcome = { kind: "acked", reasonCode: 0 };
const DEADLINE: PublishOutcome = { kind: "lost", why: "deadline" };
const DISCONNECTED: PublishOutcome = { kind: "lost", why: "disconnected" };
const refused = (reasonCode: number): PublishOutcome => ({ kind: "refused", reasonCode });

function gate() {
  const said: string[] = [];
  const line = { deadlineMs: 2_000 };
  const signals = {
    tripped: (by: string) => said.push(`tripped by ${by}`),
    proved: () => said.push("proved"),
    relapsed: (by: string) => said.push(`relapsed by ${by}`),
  };
  const made = new PublishGate(DEFAULT_BREAKER, signals, line);
  const send = (
    outcome: PublishOutcome,
    times: number,
    { qos = 1 as 0 | 1 | 2, expected = false, elapsedMs = 5 } = {},
  ) => {
    for (let i = 0; i < times; i++) {
      const { tag } = made;
      made.take();
      made.settled(tag, qos, outcome, 0, elapsedMs, expected);
    }
  };
  return { gate: made, said, send, line };
}

test("twenty lost publishes trip it: by the publish for deadlines, by the connect for lost connections", () => {
  for (const [outcome, by] of [
    [DEADLINE, "publish"],
    [DISCONNECTED, "connect"],
    [refused(0x97), "publish"],
  ] as const) {
    const { said, send } = gate();
    send(outcome, 19);
    assert.deepEqual(said, []);
    send(outcome, 1);
    assert.deepEqual(said, [`tripped by ${by}`]);
  }
});

// GATE-3
test("refusals of one message, QoS 0 and a requested disconnect do not count", () => {
  const { said, send } = gate();
  for (const code of [0x87, 0x90, 0x99]) send(refused(code), 100);
  send(ACKED, 100, { qos: 0 });
  send(DISCONNECTED, 100, { expected: true });
  send(DEADLINE, 19);
  assert.deepEqual(said, [], "19 calls so far");
  send(DEADLINE, 1);
  assert.deepEqual(said, ["tripped by publish"]);
});

test("slow successes trip it", () => {
  const { said, send } = gate();
  send(ACKED, 20, { elapsedMs: 2_001 });
  assert.deepEqual(said, ["tripped by publish"]);
});

// GATE-4
test("what was left out while later PUBLISHes were answered does not count", () => {
  const { said, send } = gate();
  send({ kind: "lost", why: "deadline", overtaken: true }, 100);
  assert.deepEqual(said, []);
});

// GATE-5
test("on a slow line, successes within its deadline do not trip it and prove in HALF_OPEN", () => {
  const { gate: made, said, send, line } = gate();
  line.deadlineMs = 10_000;
  send(ACKED, 100, { elapsedMs: 4_800 });
  assert.deepEqual(said, []);
  made.moved("HALF_OPEN");
  send(ACKED, 3, { elapsedMs: 4_800 });
  assert.deepEqual(said, ["proved"]);
});

// GATE-1
test("OPEN admits nothing, HALF_OPEN three and not one more until they are judged", () => {
  const { gate: made, said } = gate();
  assert.equal(made.admits(), Number.POSITIVE_INFINITY);
  made.moved("OPEN");
  assert.equal(made.admits(), 0);
  made.moved("HALF_OPEN");
  const { tag } = made;
  for (const left of [2, 1, 0]) {
    made.take();
    assert.equal(made.admits(), left);
  }
  made.settled(tag, 1, ACKED, 0, 5, false);
  made.settled(tag, 1, ACKED, 0, 5, false);
  assert.equal(made.admits(), 0);
  assert.deepEqual(said, []);
  made.settled(tag, 1, ACKED, 0, 5, false);
  assert.deepEqual(said, ["proved"]);
});

// GATE-3
test("one failed or slow probe is a relapse; a refusal is proof; a neutral outcome returns its place", () => {
  const bad = gate();
  bad.gate.moved("HALF_OPEN");
  bad.send(DEADLINE, 1);
  assert.deepEqual(bad.said, ["relapsed by publish"]);

  const slow = gate();
  slow.gate.moved("HALF_OPEN");
  slow.send(ACKED, 1, { elapsedMs: 2_001 });
  assert.deepEqual(slow.said, ["relapsed by publish"]);

  const refusing = gate();
  refusing.gate.moved("HALF_OPEN");
  refusing.send(refused(0x87), 3);
  assert.deepEqual(refusing.said, ["proved"]);

  const silent = gate();
  silent.gate.moved("HALF_OPEN");
  silent.send(ACKED, 10, { qos: 0 });
  silent.send(DISCONNECTED, 10, { expected: true });
  assert.deepEqual(silent.said, []);
  assert.equal(silent.gate.admits(), 3);
});

// GATE-2
test("an outcome of an earlier publish does not judge the probes, and an opening starts a new count", () => {
  const { gate: made, said, send } = gate();
  const { tag } = made;
  send(DEADLINE, 19);
  made.moved("OPEN");
  made.moved("HALF_OPEN");
  made.settled(tag, 1, DEADLINE, 0, 5, false);
  for (let i = 0; i < 3; i++) made.settled(tag, 1, ACKED, 0, 5, false);
  assert.deepEqual(said, []);
  made.moved("CLOSED");
  send(DEADLINE, 19);
  assert.deepEqual(said, []);
});
