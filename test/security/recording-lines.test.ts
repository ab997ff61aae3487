/**
 * Recordings that were written by hand, cut, or made to do harm: a recording that opens can be shown. Any other is rejected with
 * the line's number and the field's name, by the command and by the console.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { runProgram } from "@acktor/cli/program";
import fc from "fast-check";
import { Fleet } from "../../services/publisher/console/src/state/fleet.ts";
import { readRecording, toJsonLines } from "../../services/publisher/console/src/state/recording.ts";
import { choicesOf, filterOf, matchesRow } from "../../services/publisher/console/src/views/log/filter.ts";
import { sequenceOf } from "../../services/publisher/console/src/views/log/sequence.ts";
import { cleanUp } from "../support/cleanup.ts";
import { DEFINITIONS } from "../support/fake-fleet.ts";

const STAMP = { v: 1, ts: 1_000, service: "publisher", instance: "p", boot: "b" };
const DELAY = { state: "link.connection.RECONNECTING", delay: "backoff", startedAt: 1, endsAt: 2 };
const MOVE = {
  ...STAMP,
  seq: 1,
  kind: "transition",
  actor: "link",
  machine: "link",
  event: "link.lost",
  edges: ["e"],
  value: { connection: "RECONNECTING", breaker: "CLOSED" },
  context: { attempt: 3 },
  delays: [DELAY],
  can: ["connect"],
};
const STEP = { step: "rejected", message_id: "m", ts: 5, topic: "a", attempt: 1, detail: "no" };
const STEPS = { ...STAMP, seq: 2, kind: "deliveries", counts: { rejected: 1 }, steps: [STEP] };
const HEAD = { kind: "acktor-recording", v: 1, saved_at: "x", gaps: [["b", 2, 1]], definitions: DEFINITIONS };

function fileOf(head: unknown, ...lines: readonly unknown[]): string {
  return [head, ...lines].map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n");
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let at = 0; at < levels; at++) value = [value];
  return value;
}

/** The fault, and the line and field that the message must name. */
const ODD: readonly (readonly [file: string, line: number, field: string])[] = [
  ["", 1, ""],
  ["nothing", 1, ""],
  [fileOf([]), 1, ""],
  [fileOf({ ...HEAD, kind: "x" }), 1, "kind"],
  [fileOf({ ...HEAD, v: 2 }), 1, "v"],
  [fileOf({ ...HEAD, gaps: {} }), 1, "gaps"],
  [fileOf({ ...HEAD, gaps: [["b", "2", 1]] }), 1, "gaps[0][1]"],
  [fileOf({ ...HEAD, gaps: [null] }), 1, "gaps[0]"],
  [fileOf({ ...HEAD, definitions: null }), 1, "definitions"],
  [fileOf({ ...HEAD, definitions: [{ id: "link", edges: [] }] }), 1, "definitions[0].states"],
  [fileOf({ ...HEAD, definitions: [loop()] }), 1, "definitions[0].states[1].id"],
  [fileOf({ ...HEAD, definitions: [orphan()] }), 1, "definitions[0].states[0].parent"],
  [fileOf(HEAD, "[]"), 2, ""],
  [fileOf(HEAD, "null"), 2, ""],
  [fileOf(HEAD, MOVE, "{"), 3, ""],
  [fileOf(HEAD, MOVE, { ...STEPS, counts: null }), 3, "counts"],
  [fileOf(HEAD, { ...STEPS, counts: [] }), 2, "counts"],
  [fileOf(HEAD, { ...STEPS, counts: { sent: "many" } }), 2, "counts.sent"],
  [fileOf(HEAD, { ...STEPS, steps: null }), 2, "steps"],
  [fileOf(HEAD, { ...STEPS, steps: [STEP, null] }), 2, "steps[1]"],
  [fileOf(HEAD, { ...STEPS, steps: [{ ...STEP, ts: 9e15 }] }), 2, "steps[0].ts"],
  [fileOf(HEAD, { ...STEPS, steps: [{ ...STEP, detail: {} }] }), 2, "steps[0].detail"],
  [fileOf(HEAD, { ...STEPS, steps: [{ ...STEP, attempt: "1" }] }), 2, "steps[0].attempt"],
  [fileOf(HEAD, { ...MOVE, kind: "constructor" }), 2, "kind"],
  [fileOf(HEAD, { ...MOVE, seq: -1 }), 2, "seq"],
  [fileOf(HEAD, { ...MOVE, ts: "1" }), 2, "ts"],
  [fileOf(HEAD, { ...MOVE, ts: 1e300 }), 2, "ts"],
  [fileOf(HEAD, { ...MOVE, value: null }), 2, "value"],
  [fileOf(HEAD, { ...MOVE, value: { a: { b: 7 } } }), 2, "value.a.b"],
  [fileOf(HEAD, { ...MOVE, edges: [1] }), 2, "edges[0]"],
  [fileOf(HEAD, { ...MOVE, event: 1 }), 2, "event"],
  [fileOf(HEAD, { ...MOVE, can: null }), 2, "can"],
  [fileOf(HEAD, { ...MOVE, delays: [{ ...DELAY, endsAt: null }] }), 2, "delays[0].endsAt"],
  [fileOf(HEAD, { ...MOVE, context: undefined }), 2, "context"],
  [fileOf(HEAD, { ...MOVE, context: nested(40) }), 2, "context.0.0.0.0"],
  [fileOf(HEAD, `{"__proto__":${JSON.stringify(MOVE)}}`), 2, "v"],
];

function loop(): object {
  const state = { id: "m", key: "m", parent: null, type: "compound", initial: null, entry: [], exit: [], invoke: [] };
  return { id: "m", states: [state, { ...state, parent: "m" }], edges: [] };
}

function orphan(): object {
  const state = { id: "m", key: "m", parent: "x", type: "atomic", initial: null, entry: [], exit: [], invoke: [] };
  return { id: "m", states: [state], edges: [] };
}

interface Replayed {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-recordings-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function replay(file: string, ...more: readonly string[]): Promise<Replayed> {
  const written = { out: "", err: "" };
  const writer = (stream: "out" | "err") => ({
    write(text: string) {
      written[stream] += text;
    },
  });
  const streams = { stdin: {}, stdout: writer("out"), stderr: writer("err") };
  const world = {
    streams,
    env: {},
    signal: new AbortController().signal,
    clock: { now: () => 0 },
    process: { handOver: () => undefined },
  };
  return { exit: await runProgram(["replay-recording", file, "--no-wait", "--all", ...more], world), ...written };
}

test("PLAYBACK-1, FORM-1, FORM-2: the command names the line and the field at fault", async (t) => {
  const file = path.join(await folderOf(t), "odd.jsonl");
  for (const [text, line, field] of ODD) {
    await writeFile(file, text);
    const { exit, err } = await replay(file);
    const about = `${text.slice(-300)}: ${err}`;
    assert.equal(exit, 1, about);
    assert.ok(err.includes(`line ${line} of`) && err.includes(field === "" ? ": the line " : `: ${field}`), about);
    const asJson = await replay(file, "--json", "--lang", "ja");
    assert.equal((JSON.parse(asJson.err) as { error: { code: string } }).error.code, "not_a_recording");
  }
});

test("RECORDING-1: the console names the same line and field", () => {
  for (const [text, line, field] of ODD) {
    const opened = readRecording("odd", text);
    assert.ok(!opened.ok && opened.fault !== "too_large", text.slice(-300));
    assert.equal(opened.line, line);
    assert.ok(field === "" ? opened.fault.field === "" : opened.fault.field.startsWith(field), opened.fault.field);
  }
});

/** Everything that the console computes from a recording before it renders. */
function look(text: string): boolean {
  const opened = readRecording("x", text);
  if (!opened.ok) {
    assert.ok(opened.line >= 1 && typeof opened.fault === "object");
    return false;
  }
  const { rows } = opened.recording.journal;
  const fleet = new Fleet();
  for (const { event, ts } of rows) {
    fleet.takeEvent(event);
    assert.doesNotThrow(() => new Date(ts).toISOString());
  }
  assert.ok(fleet.list().length <= rows.length);
  choicesOf(rows);
  for (const row of rows) matchesRow(row, filterOf(new URLSearchParams({ text: "x" })));
  sequenceOf(rows);
  toJsonLines(rows, opened.recording.definitions);
  return true;
}

const oddValue = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0.5, 1e300, "", "__proto__", "constructor", [], {}, [null], { a: null }),
  fc.jsonValue({ maxDepth: 2 }),
  fc.integer({ min: 30, max: 4_000 }).map(nested),
);

/** A copy of `value` in which the value at the path is replaced or removed. */
function mutate(value: unknown, way: readonly number[], odd: unknown, drop: boolean): unknown {
  if (typeof value !== "object" || value === null || way.length === 0) return odd;
  const entries = Object.entries(value);
  const at = entries.length === 0 ? 0 : (way[0] ?? 0) % entries.length;
  const changed = entries.flatMap(([name, inner], index) => {
    if (index !== at) return [[name, inner] as const];
    return drop && way.length === 1 ? [] : [[name, mutate(inner, way.slice(1), odd, drop)] as const];
  });
  return Array.isArray(value) ? changed.map(([, inner]) => inner) : Object.fromEntries(changed);
}

const mutation = fc.record({
  line: fc.nat({ max: 2 }),
  way: fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 5 }),
  odd: oddValue,
  drop: fc.boolean(),
});

test("recordings changed in any place open, or are rejected with a line; nothing throws", async (t) => {
  const file = path.join(await folderOf(t), "mutated.jsonl");
  const whole = [HEAD, MOVE, STEPS];
  assert.ok(look(fileOf(...(whole as [unknown, ...unknown[]]))));
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
      const lines: unknown[] = [...whole];
      for (const { line, way, odd, drop } of mutations) lines[line] = mutate(lines[line], way, odd, drop);
      const text = lines.map((line) => JSON.stringify(line)).join("\n");
      const isOpen = look(text);
      if (!isOpen) refused++;
      await writeFile(file, text);
      for (const more of [[], ["--json"]]) {
        const { exit, err } = await replay(file, ...more);
        assert.equal(exit, isOpen ? 0 : 1, `${err}\n${text}`);
        if (!isOpen) assert.match(err, /line [123] of/);
      }
    }),
    { numRuns: 400 },
  );
  assert.ok(refused > 100, `${refused} of 400 were refused`);
});

test("bytes flipped, lines cut: the same", async () => {
  const whole = fileOf(HEAD, MOVE, STEPS);
  fc.assert(
    fc.property(fc.nat({ max: whole.length }), fc.nat({ max: 200 }), fc.string({ maxLength: 6 }), (at, gone, put) => {
      look(whole.slice(0, at) + put + whole.slice(at + gone));
    }),
    { numRuns: 1_000 },
  );
});
