/**
 * What the callers did and were told, and what was broken when: an append-only list outside the system.
 *
 * Invariant: an entry is in the file before the caller goes on, so that a lab that is killed leaves a true history.
 */

import { closeSync, openSync, writeSync } from "node:fs";
import type { Vitals } from "../campaign/vitals.ts";

/** `unknown`: a timeout, a 5xx, a reset; it may have happened or not. A `send` without its answer is pending. */
export type Entry = { readonly t: number } & (
  | {
      readonly op: "send";
      /** Number of the message; a repeated call has the same. */
      readonly n: number;
      readonly key: string | null;
    }
  | { readonly op: "answer"; readonly n: number; readonly kind: "ok"; readonly status: number; readonly id: string }
  | { readonly op: "answer"; readonly n: number; readonly kind: "refused"; readonly status: number }
  | { readonly op: "answer"; readonly n: number; readonly kind: "unknown"; readonly status: number | null }
  | { readonly op: "fault"; readonly phase: "begin" | "end"; readonly name: string; readonly hits: number }
  | { readonly op: "kill"; readonly what: string }
  /** A message that is meant to end so; it was accepted. */
  | { readonly op: "poison"; readonly id: string; readonly ends: "acknowledged" | "failed" }
  /** How a service fared, from within (campaign/vitals.ts). */
  | ({ readonly op: "vitals"; readonly service: string } & Vitals)
  /** The highest value that was seen, and what it may be. */
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

/** @param file also written there, a line of JSON each; null = kept in memory alone */
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
      if (descriptor !== null) writeSync(descriptor, `${JSON.stringify(timed)}\n`);
    },
    close() {
      if (open && descriptor !== null) closeSync(descriptor);
      open = false;
    },
  };
}
