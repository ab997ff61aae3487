/**
 * The history: calls, answers and faults with their times, in an append-only list outside the system.
 *
 * Invariants:
 *  HISTORY-1. `add` returns after the entry is in the file, so that a killed lab leaves a true history.
 */

import { closeSync, openSync, writeSync } from "node:fs";
import type { Vitals } from "../campaign/vitals.ts";

/** `unknown`: a timeout, a 5xx or a reset; the message may be accepted or not. A `send` without an answer is pending. */
export type Entry = { readonly t: number } & (
  | {
      readonly op: "send";
      /** Number of the message; a repeated call has the same number. */
      readonly n: number;
      readonly key: string | null;
    }
  | { readonly op: "answer"; readonly n: number; readonly kind: "ok"; readonly status: number; readonly id: string }
  | { readonly op: "answer"; readonly n: number; readonly kind: "refused"; readonly status: number }
  | { readonly op: "answer"; readonly n: number; readonly kind: "unknown"; readonly status: number | null }
  | { readonly op: "fault"; readonly phase: "begin" | "end"; readonly name: string; readonly hits: number }
  | { readonly op: "kill"; readonly what: string }
  /** An accepted message with its expected final state. */
  | { readonly op: "poison"; readonly id: string; readonly ends: "acknowledged" | "failed" }
  /** Vital signs of a service (campaign/vitals.ts). */
  | ({ readonly op: "vitals"; readonly service: string } & Vitals)
  /** The highest value that was seen, and its limit. */
  | { readonly op: "peak"; readonly what: string; readonly value: number; readonly limit: number }
  | { readonly op: "own-error"; readonly service: string; readonly line: string }
  | { readonly op: "late"; readonly what: string; readonly ms: number; readonly limitMs: number }
);

type WithoutTime<T> = T extends unknown ? Omit<T, "t"> : never;
export type NewEntry = WithoutTime<Entry>;

export interface History {
  readonly entries: readonly Entry[];
  add(entry: NewEntry): void;
  close(): void;
}

/** @param file also gets each entry as a line of JSON; null = only in memory */
export function openHistory(file: string | null): History {
  const descriptor = file === null ? null : openSync(file, "a", 0o600);
  const entries: Entry[] = [];
  const begin = performance.now();
  let open = true;
  return {
    entries,
    add(entry) {
      if (!open) return;
      const timed = { t: Math.round(performance.now() - begin), ...entry } as Entry;
      entries.push(timed);
      // HISTORY-1
      if (descriptor !== null) writeSync(descriptor, `${JSON.stringify(timed)}\n`);
    },
    close() {
      if (open && descriptor !== null) closeSync(descriptor);
      open = false;
    },
  };
}
