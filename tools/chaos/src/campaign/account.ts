/** What a history says, without the database (pure). */
import type { Entry } from "../workload/history.ts";

export interface Account {
  readonly kills: Readonly<Record<string, number>>;
  /** How often each fault hit: bytes, packets, connections or processes. */
  readonly hits: Readonly<Record<string, number>>;
  /** Distinct ids that were answered with 200 or 201. */
  readonly accepted: readonly string[];
  readonly messages: number;
  /** The expected final state of each poison message; its ids are among `accepted`. */
  readonly endsAs: ReadonlyMap<string, "acknowledged" | "failed">;
  readonly poisoned: number;
  readonly answers: Readonly<Record<"ok" | "refused" | "unknown" | "pending", number>>;
  /** What a history must not contain, one line each. */
  readonly unexpected: readonly string[];
}

/** Refusals that a caller may receive during faults: the high-water mark. */
const EXPECTED_REFUSALS = [429];
/** 500 is an error of the publisher itself; no part of the lab answers 502 or 504. */
const EXPECTED_UNKNOWN = [null, 503];

export function takeAccount(entries: readonly Entry[]): Account {
  const kills: Record<string, number> = {};
  const hits: Record<string, number> = {};
  const ids = new Map<number, Set<string>>();
  const keyed = new Map<number, boolean>();
  const answers = { ok: 0, refused: 0, unknown: 0, pending: 0 };
  const poison = new Map<string, "acknowledged" | "failed">();
  const unexpected: string[] = [];
  for (const entry of entries) {
    if (entry.op === "kill") kills[entry.what] = (kills[entry.what] ?? 0) + 1;
    if (entry.op === "fault" && entry.phase === "end") hits[entry.name] = (hits[entry.name] ?? 0) + entry.hits;
    if (entry.op === "poison") poison.set(entry.id, entry.ends);
    if (entry.op === "peak" && entry.value > entry.limit) {
      unexpected.push(`${entry.what}: ${entry.value}, at most ${entry.limit} allowed`);
    }
    if (entry.op === "own-error") unexpected.push(`${entry.service}: ${entry.line}`);
    if (entry.op === "late") unexpected.push(`${entry.what} after ${entry.ms} ms, at most ${entry.limitMs} allowed`);
    if (entry.op === "send") {
      keyed.set(entry.n, entry.key !== null);
      answers.pending++;
    }
    if (entry.op !== "answer") continue;
    answers.pending--;
    answers[entry.kind]++;
    if (entry.kind === "ok") {
      const known = ids.get(entry.n) ?? new Set();
      ids.set(entry.n, known.add(entry.id));
    } else {
      const expected: readonly (number | null)[] = entry.kind === "refused" ? EXPECTED_REFUSALS : EXPECTED_UNKNOWN;
      if (!expected.includes(entry.status)) unexpected.push(`message ${entry.n} was answered with ${entry.status}`);
    }
  }
  for (const [n, known] of ids) {
    if (known.size > 1) unexpected.push(`message ${n} has ${known.size} ids, keyed: ${keyed.get(n)}`);
  }
  const accepted = [...new Set([...ids.values()].flatMap((known) => [...known])), ...poison.keys()];
  return {
    kills,
    hits,
    accepted,
    messages: keyed.size + poison.size,
    endsAs: poison,
    poisoned: poison.size,
    answers,
    unexpected,
  };
}

/** 0 losses in `kills` kills: with 95 % confidence the loss per kill is below this (rule of three). */
export function lossBound(kills: number): number {
  return kills === 0 ? 1 : Math.min(1, 3 / kills);
}
