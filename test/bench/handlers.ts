/**
 * What a handler that returns a fragment costs, compared with the built-in one whose effect is the inbox's row: end to end,
 * alternating.
 */
import path from "node:path";
import { ROOT } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { environment, startChild } from "./child.ts";
import type { Database } from "./database.ts";
import { median } from "./distribution.ts";
import { type Bench, type EndToEndResult, measureEndToEnd } from "./end-to-end.ts";
import { profileFlags, type Service } from "./pair.ts";
import type { Scope } from "./scope.ts";

const LEAST_RATIO = 0.8;

export interface HandlerRound {
  readonly builtIn: EndToEndResult;
  readonly fragment: EndToEndResult;
}

export async function measureHandlers(bench: Bench): Promise<HandlerRound[]> {
  const rounds: HandlerRound[] = [];
  for (let number = 1; number <= bench.options.rounds; number++) {
    rounds.push({
      builtIn: await measureEndToEnd(bench, `bench_built_in_${number}`),
      fragment: await measureEndToEnd(bench, `bench_fragment_${number}`, undefined, startLibraryAcker),
    });
  }
  return rounds;
}

/** Starts the library's acker on a database that has the table of its effects. */
async function startLibraryAcker(scope: Scope, bench: Bench, database: Database): Promise<Service> {
  await database.rows("create table effect (id uuid primary key, bytes int4 not null)");
  const child = startChild(scope, {
    file: process.execPath,
    args: [...profileFlags(bench.options.profileDir, "library"), path.join(ROOT, "test/bench/library-acker.mjs")],
    env: environment({ DATABASE_URL: database.url, MQTT_URL: bench.broker.url }),
    logFile: path.join(bench.directory, "library-acker.log"),
  });
  await until(() => child.tail().includes("ready") || child.ended() !== null, 30_000, "the library's acker");
  if (child.ended() !== null) throw new Error(`the library's acker ended: ${child.tail()}`);
  return { ...child, url: "" };
}

export interface HandlerReport {
  readonly text: string;
  readonly faults: readonly string[];
  readonly met: boolean;
}

export function describeHandlers(rounds: readonly HandlerRound[]): HandlerReport {
  const ratio = median(rounds.map((round) => round.fragment.messagesPerSecond / round.builtIn.messagesPerSecond));
  const lines = rounds.flatMap(({ builtIn, fragment }, i) => [
    `${i + 1}  inbox      ${line(builtIn)}`,
    `${i + 1}  fragment   ${line(fragment)}`,
  ]);
  const met = ratio >= LEAST_RATIO;
  lines.push(`fragment / inbox: ${ratio.toFixed(2)} (wanted ≥ ${LEAST_RATIO}: ${met ? "yes" : "NO"})`);
  const results = rounds.flatMap(({ builtIn, fragment }) => [builtIn, fragment]);
  const faults = results.map(({ fault }) => fault).filter((fault) => fault !== null);
  return { text: [...lines, ...faults].join("\n"), faults, met };
}

function line({ messagesPerSecond, cpu, tally }: EndToEndResult): string {
  const cost = cpu === null ? "" : `, CPU µs a message ${JSON.stringify(cpu)}`;
  return `${Math.round(messagesPerSecond)} messages/s, ${tally.retries} retries${cost}`;
}
