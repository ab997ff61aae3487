/**
 * Presence: an acker announces itself, retained, on `delivery/acker/<instance>` (docs/reference/protocol.md).
 * The birth carries its filters; the will carries none (`lost`); a clean stop clears the topic with an empty payload.
 * An acker that stays connected renews its birth every few hours. Retained records that are older than 24 h are ignored.
 *
 * Invariants:
 *  BIRTH-1. A record beyond `PRESENCE_LIMITS` is `ignored`, with a reason that quotes nothing of the record.
 *  BIRTH-2. An acker whose filters would not fit in a record learns that at its start (`birthFault`).
 */
import type { JsonLimits } from "./bounded-json.ts";
import { parseObject } from "./envelope.ts";
import { filterFault } from "./topics.ts";

export interface Presence {
  readonly instance: string;
  readonly status: "online" | "lost";
  readonly filters: readonly string[];
  /** Seconds since 1970 by the acker's clock; 0 where it gives no time: a device may have no clock. */
  readonly since: number;
}

export type DecodedPresence =
  | { readonly kind: "presence"; readonly presence: Presence }
  /** `reason` ends a sentence: "has more than 100 filters". */
  | { readonly kind: "ignored"; readonly reason: string };

/** What a publisher reads; every client that may write to the presence prefix can send births. */
export const PRESENCE_LIMITS = { bytes: 8_192, filters: 100, levels: 100 } as const;

/** Later versions may add fields, but neither many nor deep ones. */
const JSON_LIMITS: JsonLimits = { maxBytes: PRESENCE_LIMITS.bytes, maxDepth: 8, maxValues: 1_000 };
/** A name of 63 characters and the fields around the filters. */
const LONGEST_INSTANCE = "x".repeat(63);
const LATEST_SINCE = 99_999_999_999.999;

export function encodePresence(p: Presence): string {
  return JSON.stringify(p);
}

/** Reads a presence record. An empty payload clears a record; callers do not pass it to this function. BIRTH-1 */
export function decodePresence(payload: Uint8Array): DecodedPresence {
  const json = parseObject(payload, JSON_LIMITS);
  if (typeof json === "string") return ignored(json);
  const { instance, status, filters, since } = json;
  if (typeof instance !== "string") return ignored("has no instance");
  if (status !== "online" && status !== "lost") return ignored("has a status that is neither online nor lost");
  if (!Array.isArray(filters)) return ignored("has no list of filters");
  const fault = filtersFault(filters);
  if (fault !== null) return ignored(fault);
  const at = typeof since === "number" && Number.isFinite(since) ? since : 0;
  return { kind: "presence", presence: { instance, status, filters: filters as string[], since: at } };
}

/** Says why publishers would ignore the birth of an acker with these filters, or null. BIRTH-2 */
export function birthFault(filters: readonly string[]): string | null {
  const fault = filtersFault(filters);
  if (fault !== null) return fault;
  const birth = { instance: LONGEST_INSTANCE, status: "online", filters, since: LATEST_SINCE } as const;
  const bytes = Buffer.byteLength(encodePresence(birth));
  const { bytes: most } = PRESENCE_LIMITS;
  return bytes > most ? `make an announcement of ${bytes} bytes, more than ${most}` : null;
}

function filtersFault(filters: readonly unknown[]): string | null {
  const { filters: most, levels } = PRESENCE_LIMITS;
  if (filters.length > most) return `has more than ${most} filters`;
  for (const filter of filters) {
    if (typeof filter !== "string") return "has a filter that is no text";
    if (hasMoreLevels(filter, levels)) return `has a filter of more than ${levels} levels`;
    const fault = filterFault(filter);
    if (fault !== null) return `has a filter that ${fault}`;
  }
  return null;
}

function hasMoreLevels(filter: string, most: number): boolean {
  let at = -1;
  for (let levels = 1; levels <= most; levels++) {
    at = filter.indexOf("/", at + 1);
    if (at < 0) return false;
  }
  return true;
}

function ignored(reason: string): DecodedPresence {
  return { kind: "ignored", reason };
}
