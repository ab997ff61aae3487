/** Recordings of the command and of the console are the same. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { Recorder } from "@acktor/cli/commands/recording";
import { runProgram } from "@acktor/cli/program";
import type { ActorEvent, DeliveriesEvent, InspectEvent, MachinesView } from "@acktor/shared/inspect/wire";
import { Journal } from "../../../services/publisher/console/src/state/journal.ts";
import { readRecording, toJsonLines } from "../../../services/publisher/console/src/state/recording.ts";

const stamp = (seq: number, boot = "b1") => {
  return { v: 1, seq, ts: 1_000 + seq * 10, service: "publisher", instance: "p1", boot } as const;
};
const move = (seq: number, value: string, boot?: string): ActorEvent => ({
  ...stamp(seq, boot),
  kind: "transition",
  actor: "link",
  machine: "link",
  event: "link.connect",
  edges: [],
  value: { connection: value, breaker: "CLOSED" },
  context: {},
  delays: [],
  can: [],
});
const deliveries = (seq: number): DeliveriesEvent => ({
  ...stamp(seq),
  kind: "deliveries",
  counts: { acknowledged: 2 },
  steps: [],
});

function snapshot(recent: readonly InspectEvent[]): MachinesView {
  const { v, service, instance, boot } = stamp(0);
  const instances = [
    { v, service, instance, boot, version: "1", seq: 9, ts: 1, startedAt: 0, actors: [], summary: {}, recent },
  ];
  return { actors: [], instances, definitions: [], bus: { kind: "local", connected: true, partial: false } };
}

async function temporaryFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-unit-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return path.join(folder, "recording.jsonl");
}

async function replay(file: string): Promise<{ exit: number; out: string; err: string }> {
  const written = { out: "", err: "" };
  const writeTo = (stream: "out" | "err") => (text: string) => {
    written[stream] += text;
  };
  const streams = { stdin: {}, stdout: { write: writeTo("out") }, stderr: { write: writeTo("err") } };
  const world = {
    streams,
    env: {},
    signal: new AbortController().signal,
    clock: { now: () => 0 },
    process: { handOver: () => undefined },
  };
  return { exit: await runProgram(["replay-recording", file, "--no-wait", "--json"], world), ...written };
}

test("RECORDER-1, RECORDER-2: the console opens what the command records; a repeated event is written once", async (t) => {
  const file = await temporaryFile(t);
  const recorder = await Recorder.open(file);
  assert.ok(typeof recorder !== "string");
  await recorder.add({ event: "snapshot", at: 0, data: snapshot([move(1, "CONNECTING"), move(2, "CONNECTED")]) });
  await recorder.add({ event: "inspect", at: 0, data: move(2, "CONNECTED") });
  await recorder.add({ event: "inspect", at: 0, data: deliveries(3) });
  // The stream was lost, and the next snapshot has the missed events.
  await recorder.add({ event: "snapshot", at: 0, data: snapshot([deliveries(3), move(4, "RECONNECTING")]) });
  await recorder.add({ event: "inspect", at: 0, data: move(1, "CONNECTING", "b2") });
  await recorder.end();
  const text = await readFile(file, "utf8");
  assert.equal(text.trim().split("\n").length, 6, "a head and five events");
  const opened = readRecording("x", text);
  assert.ok(opened.ok);
  const { rows } = opened.recording.journal;
  assert.deepEqual(
    rows.map(({ event }) => [event.boot, event.seq]),
    [
      ["b1", 1],
      ["b1", 2],
      ["b1", 3],
      ["b1", 4],
      ["b2", 1],
    ],
  );
  assert.equal(await Recorder.open(file), "EEXIST");
});

test("the command plays back what the console saved", async (t) => {
  const file = await temporaryFile(t);
  const journal = new Journal();
  const events = [move(1, "CONNECTED"), deliveries(2), move(5, "RECONNECTING")];
  for (const event of events) journal.add(event);
  await writeFile(file, toJsonLines(journal.rows, []));
  const { exit, out, err } = await replay(file);
  assert.deepEqual([exit, err], [0, ""]);
  const lines = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { data: InspectEvent });
  assert.deepEqual(
    lines.map(({ data }) => data),
    events,
  );
});

test("PLAYBACK-1: an invalid line is refused by its number, and no part is printed", async (t) => {
  const file = await temporaryFile(t);
  const head = toJsonLines([], []);
  const wrong: [string, number, string][] = [
    ["", 1, ""],
    ["{}\n", 1, ""],
    [`${JSON.stringify(move(1, "X"))}\n`, 1, ""],
    [`${head}[]\n`, 2, ""],
    [`${head}{"v":1}\n`, 2, ""],
    [`${head}${JSON.stringify({ ...move(1, "X"), value: 7 })}\n`, 2, ""],
  ];
  for (const [text, line, shown] of wrong) {
    await writeFile(file, text);
    const { exit, out, err } = await replay(file);
    assert.deepEqual([exit, out], [1, shown], text);
    assert.match(err, new RegExp(`line ${line} of`), text);
  }
});
