/**
 * `npm run bench`: what acktor does in a second, what it costs, and how long one message takes, compared with the raw MQTT round
 * trip of the same run on the same broker.
 *
 * Invariants:
 *  1. Everything is our own: PostgreSQL, broker and services run on free ports of 127.0.0.1 and are gone afterwards.
 *  2. Raw and end-to-end runs take turns, so that what else the machine does falls on both.
 *  3. A run that lost or doubled a message is no result: exit 1.
 */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { encodeAck } from "@acktor/shared/protocol/ack";
import { checksumOf, encodeEnvelope } from "@acktor/shared/protocol/envelope";
import { ROOT } from "../support/processes.ts";
import { type BrokerPlan, planBroker } from "./broker.ts";
import type { ClaimLine } from "./claim-growth.ts";
import { startDatabaseServer } from "./database.ts";
import { type Bench, measureEndToEnd } from "./end-to-end.ts";
import { describeFleet, measureFleet } from "./fleet.ts";
import { describeHandlers, measureHandlers } from "./handlers.ts";
import { measureInspection } from "./inspect.ts";
import { describeKeys, measureKeys } from "./keys.ts";
import { type LatencyResult, measureLatency } from "./latency.ts";
import { describeCommit, describeMachine } from "./machine.ts";
import { type MemoryResult, measureMemory } from "./memory.ts";
import { type BenchOptions, HELP, parseOptions } from "./options.ts";
import { measureRaw, type RawOptions } from "./raw-round-trip.ts";
import { type BenchResult, describeResult, faultsOf, type Round, targetsOf, writeJson } from "./report.ts";
import { type Scope, scoped } from "./scope.ts";

function say(line: string): void {
  console.error(line);
}

/** A bench for runs that are compared with each other alone. */
async function runPairs<T>(scope: Scope, options: BenchOptions, measure: (bench: Bench) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(path.join(os.tmpdir(), "acktor-bench-"));
  scope.defer(() => rmSync(directory, { recursive: true, force: true }));
  const postgres = await startDatabaseServer(scope, directory);
  const plan = await planBroker(options.broker, directory);
  const broker = await plan.start(scope);
  return measure({ options, directory, postgres, broker: { url: plan.url, pid: broker.pid } });
}

async function runAll(scope: Scope, options: BenchOptions): Promise<BenchResult> {
  const directory = mkdtempSync(path.join(os.tmpdir(), "acktor-bench-"));
  scope.defer(() => rmSync(directory, { recursive: true, force: true }));
  const machine = describeMachine();
  const postgres = await startDatabaseServer(scope, directory);
  const plan = await planBroker(options.broker, directory);
  const broker = await plan.start(scope);
  const bench: Bench = { options, directory, postgres, broker: { url: plan.url, pid: broker.pid } };
  const inspect = options.inspect
    ? await timed("inspect", () => measureInspection(scope, bench, options.rounds))
    : null;
  const rounds = await runRounds(bench, plan);
  const latency = await runPhase(options, "latency", () => measureLatency(bench, "bench_latency"));
  const memory = await runPhase(options, "memory", async () => {
    return measureMemory(bench, await planBroker(plan.kind, directory), "bench_memory");
  });
  const claim = options.claim ? await timed("claim", () => measureClaimsOf(postgres.url)) : null;
  return {
    at: new Date().toISOString(),
    commit: describeCommit(ROOT),
    machine,
    settings: settingsOf(options, plan),
    rounds,
    latency: latency satisfies LatencyResult | null,
    memory: memory satisfies MemoryResult | null,
    claim: claim satisfies readonly ClaimLine[] | null,
    inspect,
  };
}

/** Loaded late: it uses the tests' support, which makes Node's test runner report. */
async function measureClaimsOf(serverUrl: string): Promise<ClaimLine[]> {
  const { measureClaims } = await import("./claim-growth.ts");
  return measureClaims(serverUrl);
}

async function runRounds(bench: Bench, plan: BrokerPlan): Promise<Round[]> {
  const { options } = bench;
  const rounds: Round[] = [];
  for (let number = 1; number <= options.rounds; number++) {
    rounds.push({
      raw: await runPhase(options, "raw", () => measureRaw(rawOptions(bench, plan, false))),
      corked: await runPhase(options, "raw", () => measureRaw(rawOptions(bench, plan, true))),
      endToEnd: await runPhase(options, "e2e", () => measureEndToEnd(bench, `bench_${number}`)),
    });
  }
  return rounds;
}

function rawOptions({ options, directory, broker }: Bench, plan: BrokerPlan, cork: boolean): RawOptions {
  const { messages, warmup, window, topics, contentBytes } = options;
  const task = { ...sizesOf(contentBytes), topics: topicsOf(topics), window, cork };
  return { directory, broker: plan, brokerPid: broker.pid, messages, warmup, task };
}

async function runPhase<T>(
  { phases, inspect }: BenchOptions,
  phase: "raw" | "e2e" | "latency" | "memory",
  work: () => Promise<T>,
): Promise<T | null> {
  return phases.has(phase) && !inspect ? timed(phase, work) : null;
}

async function timed<T>(phase: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  say(`${phase} …`);
  const result = await work();
  say(`${phase} done in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  return result;
}

function topicsOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `bench/${i}`);
}

/** Bytes of the PUBLISH bodies that acktor would send for such a message. */
function sizesOf(contentBytes: number): { readonly payloadBytes: number; readonly ackBytes: number } {
  const id = "01234567-89ab-7cde-8f01-23456789abcd";
  const content = "x".repeat(contentBytes);
  const checksum = checksumOf(content, "utf8");
  const envelope = encodeEnvelope({
    message_id: id,
    content,
    timestamp: 1_700_000_000.123456,
    requires_ack: true,
    ack_topic: `delivery/ack/${id}`,
    retry_count: 0,
    checksum,
    content_encoding: "utf8",
    content_type: null,
    ordering_key: null,
    attempt_token: "1",
    expires_in: null,
    traceparent: null,
    topic: "bench/1",
    outbox: null,
    signature: null,
  });
  const ack = encodeAck({
    message_id: id,
    client_id: "bench-acker",
    status: "processed",
    reason: null,
    retryable: true,
    attempt_token: "1",
    topic: null,
    checksum,
    signature: null,
  });
  return { payloadBytes: Buffer.byteLength(envelope), ackBytes: Buffer.byteLength(ack) };
}

function settingsOf(options: BenchOptions, plan: BrokerPlan): Record<string, unknown> {
  const { messages, warmup, rounds, window, topics, contentBytes, batch, connections, backlog } = options;
  return {
    broker: { kind: plan.kind, MQTT: plan.protocolVersion === 5 ? "5" : "3.1.1", ...plan.settings },
    postgres: { version: "18 (npm)", fsync: "on", synchronous_commit: "on", shared_buffers: "128MB" },
    messages: {
      count: messages,
      "after a warm-up of": warmup,
      rounds,
      "content bytes": contentBytes,
      ...sizesOf(contentBytes),
      topics,
      window,
    },
    intake: { "messages a request": batch, connections, "not acknowledged at most": backlog ?? "all" },
  };
}

/** Cleans up at a signal, too. */
function stoppable<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  return scoped((scope) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => void scope.close().finally(() => process.exit(1)));
    }
    return work(scope);
  });
}

async function main(): Promise<void> {
  const parsed = parseOptions(process.argv.slice(2));
  if (parsed.kind === "help") {
    console.log(HELP);
    return;
  }
  if (parsed.kind === "fault") {
    console.error(`${parsed.fault}\n\n${HELP}`);
    process.exitCode = 2;
    return;
  }
  const { options } = parsed;
  const { fleet } = options;
  if (options.handlers || options.keys || fleet !== null) {
    const { text, faults, met } = await stoppable(async (scope) => {
      if (fleet !== null) return describeFleet(await runPairs(scope, options, (bench) => measureFleet(bench, fleet)));
      if (options.keys) return describeKeys(await runPairs(scope, options, measureKeys));
      return describeHandlers(await runPairs(scope, options, measureHandlers));
    });
    console.log(text);
    if (faults.length > 0 || (options.strict && !met)) process.exitCode = 1;
    return;
  }
  const result = await stoppable((scope) => runAll(scope, options));
  console.log(`\n${describeResult(result)}\n`);
  console.log(`written to ${path.relative(ROOT, writeJson(path.join(ROOT, "bench-results"), result))}`);
  const missed = targetsOf(result).some((target) => target.met === false);
  if (faultsOf(result).length > 0 || (options.strict && missed)) process.exitCode = 1;
}

await main();
