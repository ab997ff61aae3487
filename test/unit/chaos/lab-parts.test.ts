/** Parts of the fault lab that its verdicts depend on: the judge, the history, the traffic, the watch, child processes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import type net from "node:net";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { AUDIT } from "@acktor/chaos/check/audit";
import { judge } from "@acktor/chaos/check/judge";
import { patchedSources } from "@acktor/chaos/controls/build-copy";
import { changeNetwork } from "@acktor/chaos/netns/own-namespace";
import { watchPublisher } from "@acktor/chaos/run/watch-publisher";
import { type Entry, openHistory } from "@acktor/chaos/workload/history";
import { startWriters } from "@acktor/chaos/workload/writers";
import { startChild } from "@acktor/chaos/world/child";
import type { ServiceStatus, ServiceUnit } from "@acktor/chaos/world/services";
import { mountSmallDisk } from "@acktor/chaos/world/small-disk";
import { cleanUp } from "../../support/cleanup.ts";
import { until } from "../../support/until.ts";

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-lab-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("JUDGE-1: a move that is not legal, and a move that does not start at the previous state, are reported", async () => {
  const moves = [
    { message_id: "legal", before: null, after: "pending", previous: null },
    { message_id: "legal", before: "pending", after: "sent", previous: "pending" },
    { message_id: "born late", before: null, after: "sent", previous: null },
    { message_id: "back", before: "acknowledged", after: "sent", previous: "acknowledged" },
    { message_id: "jump", before: "sent", after: "acknowledged", previous: "failed" },
  ];
  const run = async (text: string) => ({ ok: true, rows: text.includes("from audit.move") ? moves : [] });
  const { illegalMoves } = await judge({ run } as unknown as Parameters<typeof judge>[0], { accepted: [] });
  assert.deepEqual(
    illegalMoves.map((line) => line.split(/ (?:null|acknowledged|sent) >/)[0]),
    ["born late", "back", "jump"],
  );
});

test("LAB_AUDIT-1: the ledger of effects accepts a second effect of a message", () => {
  const [, ledger = ""] = /create table audit\.effect \(([\s\S]*?)\);/.exec(AUDIT) ?? [];
  assert.match(ledger, /message_id uuid not null$/);
  assert.doesNotMatch(AUDIT, /unique|primary key|exclude/i);
});

test("HISTORY-1: an entry is in the file when `add` returns", async (t) => {
  const file = path.join(await temporaryFolder(t), "history.jsonl");
  const history = openHistory(file);
  cleanUp(t, () => history.close());
  history.add({ op: "kill", what: "acker" });
  assert.match(await readFile(file, "utf8"), /^\{"t":\d+,"op":"kill","what":"acker"\}\n$/);
});

/** A publisher that answers as `answer` decides. @returns its URL and the requests that it got */
async function fakePublisher(t: TestContext, answer: (n: number) => readonly [status: number, body: string]) {
  const requests: { readonly n: number; readonly key: string | undefined; readonly body: string }[] = [];
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const n = Number((JSON.parse(body) as { content: string }).content.split(":")[0]);
      requests.push({ n, key: request.headers["idempotency-key"] as string | undefined, body });
      const [status, text] = answer(n);
      response.writeHead(status, { "content-type": "application/json" }).end(text);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp(t, () => server.close());
  const url = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  return { url, requests };
}

async function traffic(t: TestContext, answer: (n: number) => readonly [status: number, body: string]) {
  const { url, requests } = await fakePublisher(t, answer);
  const history = openHistory(null);
  const writers = startWriters({ url, seed: 5, rate: 400, history, topicRoot: "lab", writers: 1 });
  await until(() => requests.some(({ n }) => n >= 6), 5_000, "the messages 0 to 6");
  await writers.stop(500);
  const kinds = history.entries.flatMap((entry: Entry) => (entry.op === "answer" ? [`${entry.n} ${entry.kind}`] : []));
  return { requests, kinds };
}

const accepted = [201, '{"message_id":"x"}'] as const;

test("TRAFFIC-1: a 5xx and an answer without an id are unknown, a 4xx is refused", async (t) => {
  const answers: Record<number, readonly [number, string]> = { 1: [503, "{}"], 2: [201, "{"], 4: [400, "{}"] };
  const { kinds } = await traffic(t, (n) => answers[n] ?? accepted);
  assert.deepEqual(kinds.slice(0, 5), ["0 ok", "1 unknown", "2 unknown", "3 ok", "4 refused"]);
});

test("TRAFFIC-2: only a message with a key is repeated, until its answer is known", async (t) => {
  let failures = 0;
  const { requests } = await traffic(t, (n) => (n === 1 || (n === 3 && ++failures < 3) ? [500, "{}"] : accepted));
  assert.equal(requests.filter(({ n }) => n === 1).length, 1);
  const repeated = requests.filter(({ n }) => n === 3);
  assert.equal(repeated.length, 3);
  assert.equal(new Set(repeated.map(({ key }) => key)).size, 1);
  assert.deepEqual(
    [0, 1, 2, 3].map((n) => requests.find((request) => request.n === n)?.key !== undefined),
    [true, false, false, true],
  );
});

test("TRAFFIC-3: the same seed sends the same messages", async (t) => {
  const bodies = async () => (await traffic(t, () => accepted)).requests.slice(0, 6).map(({ body }) => body);
  assert.deepEqual(await bodies(), await bodies());
});

test("PUBLISHER_WATCH-1: the counts of a killed publisher are kept", async () => {
  const status = (uptime: number, published: number): ServiceStatus => ({
    connection: { state: "CONNECTED", breaker: "CLOSED" },
    statistics: { disconnections: 0, breaker_openings: 0, errors_by_type: { timeout: 1 } },
    dispatcher: { published, republished: 0, unacked: 0 },
    uptime_seconds: uptime,
  });
  const lives = [status(1, 10), status(2, 30), null, status(0.5, 4), status(1, 5)];
  const last = lives.at(-1) ?? null;
  const watch = watchPublisher({
    status: async () => lives.shift() ?? (lives.length === 0 ? last : null),
  } as ServiceUnit);
  await until(() => watch.samples.length >= 5, 5_000, "five samples");
  await watch.stop();
  assert.deepEqual(
    watch.samples.slice(0, 5).map(({ counts }) => counts.published),
    [10, 30, 30, 34, 35],
  );
  assert.deepEqual(watch.samples[4]?.counts.errors, { timeout: 2 });
});

test("CHILD-1: the end of the output and the errors of the program itself are kept, within a limit", async () => {
  const script = `for (let n = 0; n < 120; n++) console.log("TypeError: " + n);
    console.log("x".repeat(70_000)); console.log("the last line");`;
  const child = startChild({ file: process.execPath, args: ["-e", script] });
  await child.exited;
  await until(() => child.tail().endsWith("the last line\n"), 3_000, "the output");
  assert.equal(child.tail().length, 65_536);
  assert.equal(child.ownErrors().length, 100);
  assert.equal(child.ownErrors()[0], "TypeError: 0");
});

test("CHILD-2: a process that has ended gets no signal", async () => {
  const child = startChild({ file: process.execPath, args: ["-e", "setInterval(() => undefined, 1_000)"] });
  assert.equal(child.signal("SIGCONT"), true);
  await child.kill();
  assert.equal(child.ended(), "SIGKILL");
  assert.equal(child.signal("SIGTERM"), false);
  await child.stop();
});

test("BUILD_COPY-1: a patch without its place, or with two places, is a failure of the lab", async () => {
  const file = "tools/chaos/src/world/until.ts";
  const patch = (from: string) => patchedSources([{ file, from, to: "" }]);
  assert.equal((await patch("const POLL_MS = 20;")).size, 1);
  await assert.rejects(patch("no such code"), /^LabFailure: 0 places instead of one/);
  await assert.rejects(patch("boolean"), /^LabFailure: [2-9] places instead of one/);
});

test("NAMESPACE-1, SMALL_DISK-1: outside of a namespace of the lab, network and mounts are not changed", async (t) => {
  await assert.rejects(changeNetwork("ip", ["--help"]), /would change the host's network: refused/);
  await assert.rejects(mountSmallDisk(await temporaryFolder(t)), /would change the host's mounts: refused/);
});
