/**
 * What inspection costs: end-to-end runs of a build without the observer, without a viewer, and with one, alternately, on
 * databases of their own.
 *
 * Both services are on one nats-server where it is installed, so that the viewer receives events of the acker too; without
 * it, of the publisher alone. The viewer reads and counts everything in the caller's process, which bears the cost of reading.
 */
import { get } from "node:http";
import path from "node:path";
import { anyPort } from "../support/ports.ts";
import { findServer } from "../support/programs.ts";
import { environment, startChild } from "./child.ts";
import { median } from "./distribution.ts";
import { type Bench, type EndToEndResult, measureEndToEnd, type Rig } from "./end-to-end.ts";
import type { Scope } from "./scope.ts";
import { assertTakenOut } from "./without-observer.mjs";

export interface InspectRound {
  /** Of a build in which nothing can be watched. */
  readonly absent: EndToEndResult;
  readonly without: EndToEndResult;
  readonly watched: EndToEndResult;
  /** What the viewer received while the clock ran. */
  readonly seen: Seen;
}

export interface Seen {
  readonly events: number;
  readonly bytes: number;
}

const WITHOUT_OBSERVER = new URL("./without-observer.mjs", import.meta.url);

/** @param rounds of one run of each kind; the order changes from round to round */
export async function measureInspection(scope: Scope, plain: Bench, rounds: number): Promise<InspectRound[]> {
  assertTakenOut();
  const bench = { ...plain, env: await startNats(scope, plain.directory) };
  const hollow = { ...bench, env: { ...bench.env, NODE_OPTIONS: `--import=${WITHOUT_OBSERVER}` } };
  const results: InspectRound[] = [];
  for (let number = 1; number <= rounds; number++) {
    const seen = { events: 0, bytes: 0 };
    const kinds: Record<Kind, () => Promise<EndToEndResult>> = {
      absent: () => measureEndToEnd(hollow, `bench_absent_${number}`),
      without: () => measureEndToEnd(bench, `bench_unwatched_${number}`),
      watched: () => measureEndToEnd(bench, `bench_watched_${number}`, (scope, rig) => watch(scope, rig, seen)),
    };
    const round: Partial<Record<Kind, EndToEndResult>> = {};
    for (const kind of orderOf(number)) round[kind] = await kinds[kind]();
    results.push({ ...(round as Record<Kind, EndToEndResult>), seen });
  }
  return results;
}

type Kind = "absent" | "without" | "watched";

/** The order changes each round, so that other load of the machine affects all three alike. */
function orderOf(round: number): Kind[] {
  const kinds: Kind[] = ["absent", "without", "watched"];
  const turned = [...kinds.slice(round % 3), ...kinds.slice(0, round % 3)];
  return Math.floor(round / 3) % 2 === 0 ? turned : turned.reverse();
}

/** Throughput with a viewer divided by throughput without, the median of the rounds; NaN without a round. */
export function watchedRatio(rounds: readonly InspectRound[]): number {
  return median(rounds.map(({ without, watched }) => watched.messagesPerSecond / without.messagesPerSecond));
}

/** Throughput without a viewer divided by that of a build without the observer, the median of the rounds. */
export function unwatchedRatio(rounds: readonly InspectRound[]): number {
  return median(rounds.map(({ absent, without }) => without.messagesPerSecond / absent.messagesPerSecond));
}

/** The services' settings of the control plane; empty where there is no nats-server. */
async function startNats(scope: Scope, directory: string): Promise<Record<string, string>> {
  const file = findServer("nats-server");
  if (file === null) return {};
  const port = await anyPort();
  const args = ["-a", "127.0.0.1", "-p", String(port)];
  startChild(scope, { file, args, env: environment(), logFile: path.join(directory, "nats.log") });
  return { NATS_URL: `nats://127.0.0.1:${port}` };
}

/** Opens the stream and reads it to the end of the run; resolves with its first bytes. */
function watch(scope: Scope, rig: Rig, seen: { events: number; bytes: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(`${rig.publisher.url}/v1/events`, (response) => {
      response.on("data", (chunk: Buffer) => {
        seen.bytes += chunk.length;
        for (let at = chunk.indexOf("event: "); at >= 0; at = chunk.indexOf("event: ", at + 7)) seen.events++;
        resolve();
      });
      // It ends with the run: destroyed by us, or with the publisher.
      response.on("error", () => resolve());
    });
    request.on("error", reject);
    scope.defer(() => request.destroy());
  });
}
