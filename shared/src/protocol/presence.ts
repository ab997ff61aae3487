/**
 * Presence: an acker announces itself, retained, on `delivery/acker/<instance>` (SPEC 3).
 * The birth carries its filters; the will carries none (`lost`); a clean stop clears the topic with an empty payload.
 * Records older than 24 h are ignored.
 */
import { parseObject } from "./envelope.ts";
import { filterFault } from "./topics.ts";

export interface Presence {
  readonly instance: string;
  readonly status: "online" | "lost";
  readonly filters: readonly string[];
  /** Seconds since 1970 by the acker's clock. Only used to ignore what is a day old. */
  readonly since: number;
}

const MAX_FILTERS = 1_000;

export function encodePresence(p: Presence): string {
  return JSON.stringify(p);
}

/** Reads a presence record, or null when it is none (an empty payload clears the record and is none). */
export function decodePresence(payload: Uint8Array): Presence | null {
  const json = payload.byteLength === 0 ? "" : parseObject(payload);
  if (typeof json === "string") return null;
  const { instance, status, filters, since } = json;
  if (typeof instance !== "string" || (status !== "online" && status !== "lost")) return null;
  if (!Array.isArray(filters) || filters.length > MAX_FILTERS) return null;
  if (!filters.every((f) => typeof f === "string" && filterFault(f) === null)) return null;
  return { instance, status, filters: filters as string[], since: typeof since === "number" ? since : 0 };
}
