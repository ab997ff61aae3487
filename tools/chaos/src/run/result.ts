/** The result of a run: the row of the table, the verdict with its reasons, and the data of the picture. */
import type { Sample } from "./watch-publisher.ts";

export type Outcome = "passed" | "failed" | "not injected" | "not possible";

export interface ScenarioResult {
  readonly scenario: string;
  readonly seed: number;
  readonly durationMs: number;
  /** HTTP calls and their answers. */
  readonly sent: number;
  readonly accepted: number;
  readonly refused: number;
  readonly unknown: number;
  readonly acknowledged: number;
  readonly lost: number;
  /** Deliveries to the acker beyond the first of each message. */
  readonly wireDuplicates: number;
  readonly doubleEffects: number;
  readonly illegalMoves: number;
  readonly outOfOrder: number;
  readonly ownErrors: number;
  /** Errors of the publisher's connection, by type. */
  readonly errors: Readonly<Record<string, number>>;
  /** Null: the connection never left CONNECTED. */
  readonly reconnectingMs: number | null;
  /** Null: the connection did not recover. */
  readonly recoverMs: number | null;
  readonly breakerOpenings: number;
  readonly published: number;
  readonly republished: number;
  /** From 201 to the ack, by the clock of the database. */
  readonly latencyMs: { readonly p50: number; readonly p99: number } | null;
  readonly finalState: string;
  readonly faults: readonly FaultRecord[];
  readonly outcome: Outcome;
  /** Why the run did not pass. */
  readonly reasons: readonly string[];
  readonly samples: readonly Sample[];
  /** By second of the run. */
  readonly seconds: readonly SecondOfRun[];
}

export interface FaultRecord {
  readonly name: string;
  readonly beginMs: number;
  readonly endMs: number;
  readonly hits: number;
}

export interface SecondOfRun {
  readonly second: number;
  readonly accepted: number;
  /** Of the messages that were created in this second; null when there were none. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** PUBLISHes for each message that was published. */
export function publishRatio({ published, republished }: Pick<ScenarioResult, "published" | "republished">): number {
  const first = published - republished;
  return first === 0 ? 1 : published / first;
}
