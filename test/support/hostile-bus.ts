/** What a stranger may publish on the bus: on every subject, expected and unexpected messages in every form. */
import { subjectsUnder } from "@acktor/shared/protocol/subjects";

const SUBJECTS = subjectsUnder("acktor.v1");
const BOOT = "hostile";
const NAMES = ["x", "acker-1", "p1", "all", "..", "a b", "\u202eevil", "x".repeat(63), "\u0000", "__proto__", "🐛"];

interface Form {
  readonly subject: string;
  readonly body: Record<string, unknown>;
}

export interface Hostile {
  readonly subject: string;
  readonly bytes: Uint8Array;
}

/** @param seed the same seed gives the same messages */
export function hostileMessages(seed: number): () => Hostile {
  const random = mulberry(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  return () => {
    const { subject, body } = formOf(pick, random);
    return { subject, bytes: spoil(body, pick, random) };
  };
}

/** A snapshot of an instance that does not exist. `over` replaces fields with hostile ones. */
export function foreignSnapshot(instance: string, over: Record<string, unknown> = {}): Record<string, unknown> {
  const names = { service: "acker", instance };
  const state = { machine: "link", event: null, edges: [], value: "A", context: {}, delays: [], can: [] };
  return {
    v: 1,
    ...names,
    boot: BOOT,
    version: "1",
    seq: 1,
    ts: Date.now(),
    startedAt: 0,
    actors: [{ ts: 1, ...names, status: "active", actor: "link", ...state }],
    summary: { state: "RUNNING" },
    ...over,
  };
}

type Pick = <T>(list: readonly T[]) => T;

function formOf(pick: Pick, random: () => number): Form {
  const instance = random() < 0.5 ? `stranger-${Math.floor(random() * 5_000)}` : pick(NAMES);
  const event = { ...foreignSnapshot(instance), kind: "transition", actor: "link", machine: "link", event: "e" };
  const state = { edges: [], value: "A", context: { a: 1 }, delays: [], can: ["pause"] };
  const stamp = { v: 1, seq: random() * 1e9, ts: 1, service: "acker", instance, boot: pick([BOOT, "b1", "b2"]) };
  const step = { step: "received", message_id: "m", ts: 1, topic: "t", detail: "d" };
  const record = { who: "x", from: "y", service: "acker", instance, action: "pause", outcome: "done", messages: 0 };
  return pick<() => Form>([
    () => ({ subject: SUBJECTS.announce("acker", instance), body: foreignSnapshot(instance, stamp) }),
    () => ({ subject: SUBJECTS.announce("publisher", instance), body: { ...event, stopping: true } }),
    () => ({ subject: SUBJECTS.event("acker", instance, "link"), body: { ...event, ...state, ...stamp } }),
    () => ({
      subject: SUBJECTS.event("acker", instance, "deliveries"),
      body: { ...stamp, kind: "deliveries", counts: { received: 1 }, steps: [step] },
    }),
    () => ({ subject: SUBJECTS.watch, body: { v: 1, viewer: instance, leaves: random() < 0.5 } }),
    () => ({
      subject: SUBJECTS.snapshot("publisher"),
      body: { v: 1, viewer: "v", definitions: true, recentBytes: 1e9 },
    }),
    () => ({ subject: SUBJECTS.snapshot("acker"), body: { v: 1, viewer: "v", definitions: true } }),
    // Never a command that an instance on an open bus would execute: its verb is unknown, or its service has no such command.
    () => ({
      subject: SUBJECTS.command("acker", "acker-1", "replay"),
      body: { v: 1, who: "x", args: { a: 1 }, token: "x" },
    }),
    () => ({ subject: SUBJECTS.command("publisher", "p1", pick(["", "explode", "a.b.c"])), body: { v: 1, who: "x" } }),
    () => ({ subject: SUBJECTS.command("publisher", null, "nothing"), body: { v: 2, who: "x" } }),
    () => ({ subject: SUBJECTS.audit, body: { record: { ...record, detail: { a: { b: 1 } } } } }),
    () => ({ subject: SUBJECTS.receipts, body: { v: 1, message_id: "019ab1b5-7a3c-7d10-8c55-0242ac120002" } }),
    () => ({ subject: SUBJECTS.enqueue, body: { topic: "data/#", content: "hostile", idempotency_key: "k" } }),
    () => ({ subject: SUBJECTS.wake, body: { v: 1 } }),
    () => ({ subject: "acktor.v1.inspect.x", body: { v: 1 } }),
  ])();
}

const DEEP = `${"[".repeat(40_000)}${"]".repeat(40_000)}`;
const DEEP_OBJECTS = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`;

/** JSON texts in the place of a value. */
const VALUES: readonly string[] = [
  DEEP,
  DEEP_OBJECTS,
  "null",
  "1e999",
  "-1",
  "1e300",
  "9007199254740993",
  '""',
  '"\\ud800"',
  '"\\u0000\\u001b[2J"',
  `"${"x".repeat(5_000)}"`,
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"toJSON":1,"toString":1,"valueOf":1}',
  `[${"0,".repeat(30_000)}0]`,
  "{}",
  "[]",
  "true",
  '{"":{"":{"":{}}}}',
];

function spoil(body: Record<string, unknown>, pick: Pick, random: () => number): Uint8Array {
  const text = JSON.stringify(body);
  const kind = random();
  if (kind < 0.25) return Buffer.from(text);
  if (kind < 0.6) {
    const field = pick(Object.keys(body));
    const rest = JSON.stringify({ ...body, [field]: "@" });
    return Buffer.from(rest.replace('"@"', () => pick(VALUES)));
  }
  if (kind < 0.75) return Buffer.from(`${text.slice(0, -1)},${JSON.stringify(pick(NAMES))}:${pick(VALUES)}}`);
  if (kind < 0.85) return Buffer.from(pick(VALUES));
  if (kind < 0.9) return Buffer.from(text.slice(0, Math.floor(random() * text.length)));
  if (kind < 0.95) return Buffer.from(Array.from({ length: 200 }, () => Math.floor(random() * 256)));
  return Buffer.from(sealLike(text, pick));
}

/** In the form of a seal, with the wrong key. */
function sealLike(body: string, pick: Pick): string {
  const mac = pick(["0".repeat(64), "f".repeat(64), "", "x"]);
  return JSON.stringify({ v: 2, time: Date.now(), nonce: "0123456789abcdef", mac, body });
}

function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
