/**
 * What a handler costs that returns a fragment, compared with the built-in one whose effect is the inbox's row: end to end, alternately.
 * An ordinary handler, which has to begin durably, is what the target is for; one that only computes is shown for comparison.
 */
import path from "node:path";
import { ROOT } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { environment, startChild } from "./child.ts";
import type { Database } from "./database.ts";
import { median } from "./distribution.ts";
import { type Bench, type EndToEndResult, measureEndToEnd, type StartAcker } from "./end-to-end.ts";
import { profileFlags, type Service } from "./pair.ts";
import type { Scope } from "./scope.ts";

const LEAST_RATIO = 0.8;

export interface HandlerRound {
  readonly builtIn: EndToEndResult;
  readonly fragment: EndToEndResult;
  /** The same handler, declared pure. */
  readonly pure: EndToEndResult;
}

export async function measureHandlers(bench: Bench): Promise<HandlerRound[]> {
  const rounds: HandlerRound[] = [];
  for (let number = 1; number <= bench.options.rounds; number++) {
    rounds.push({
      builtIn: await measureEndToEnd(bench, `bench_built_in_${number}`),
      fragment: await measureEndToEnd(bench, `bench_fragment_${number}`, undefined, startLibrary("no")),
      pure: await measureEndToEnd(bench, `bench_pure_${number}`, undefined, startLibrary("yes")),
    });
  }
  return rounds;
}

/** @returns what starts the library's acker on a database that has the table of its effects */
function startLibrary(pure: "yes" | "no"): StartAcker {
  return (scope, bench, database) => startLibraryAcker(scope, bench, database, pure);
}

async function startLibraryAcker(scope: Scope, bench: Bench, database: Database, pure: string): Promise<Service> {
  await database.rows("create table effect (id uuid primary key, bytes int4 not null)");
  const child = startChild(scope, {
    file: process.execPath,
    args: [
      ...profileFlags(bench.options.profileDir, `library-pure-${pure}`),
      path.join(ROOT, "test/bench/library-acker.mjs"),
    ],
    env: environment({ DATABASE_URL: database.url, MQTT_URL: bench.broker.url, PURE: pure }),
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
  const ratio = ratioOf(rounds, "fragment");
  const lines = rounds.flatMap(({ builtIn, fragment, pure }, i) => [
    `${i + 1}  inbox      ${line(builtIn)}`,
    `${i + 1}  fragment   ${line(fragment)}`,
    `${i + 1}  pure       ${line(pure)}`,
  ]);
  const met = ratio >= LEAST_RATIO;
  lines.push(
    `pure / inbox: ${ratioOf(rounds, "pure").toFixed(2)}`,
    `fragment / inbox: ${ratio.toFixed(2)} (wanted ≥ ${LEAST_RATIO}: ${met ? "yes" : "NO"})`,
  );
  const results = rounds.flatMap(({ builtIn, fragment, pure }) => [builtIn, fragment, pure]);
  const faults = results.map(({ fault }) => fault).filter((fault) => fault !== null);
  return { text: [...lines, ...faults].join("\n"), faults, met };
}

function ratioOf(rounds: readonly HandlerRound[], which: "fragment" | "pure"): number {
  return median(rounds.map((round) => round[which].messagesPerSecond / round.builtIn.messagesPerSecond));
}

function line({ messagesPerSecond, cpu, tally }: EndToEndResult): string {
  const cost = cpu === null ? "" : `, CPU µs a message ${JSON.stringify(cpu)}`;
  return `${Math.round(messagesPerSecond)} messages/s, ${tally.retries} retries${cost}`;
}
