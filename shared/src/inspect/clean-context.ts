/**
 * A machine's context as it may leave the process.
 *
 * Invariants:
 *  1. Only keys that the owner of the machine named are in it: what is added to a context is not shown until somebody
 *     decides that it may be.
 *  2. It is JSON, and bounded: depth, length of texts, members of lists and objects. Functions, and what is no plain data,
 *     are left out.
 *  3. Nothing under a name that sounds like a secret or a payload is in it, however deep.
 */
import type { Json } from "./wire.ts";

const MOST_DEPTH = 5;
const MOST_TEXT = 300;
const MOST_MEMBERS = 50;

const NEVER = /pass(word|wd)?$|secret|token|authorization|credential|payload|content$|cookie|private.?key/i;

/** @param shown keys of the context that may be shown */
export function cleanContext(context: unknown, shown: readonly string[]): Json {
  if (typeof context !== "object" || context === null) return {};
  const chosen: Record<string, Json> = {};
  for (const key of shown) {
    if (!Object.hasOwn(context, key) || NEVER.test(key)) continue;
    const value = clean((context as Record<string, unknown>)[key], 1);
    if (value !== undefined) chosen[key] = value;
  }
  return chosen;
}

/** What another instance says of itself, under the same bounds: it cleaned it, or says so. */
export function cleanForeign(value: unknown): Json {
  return clean(value, 0) ?? null;
}

/** A value as JSON; undefined where it has none. */
function clean(value: unknown, depth: number): Json | undefined {
  switch (typeof value) {
    case "boolean":
      return value;
    case "string":
      return value.length > MOST_TEXT ? `${value.slice(0, MOST_TEXT)}…` : value;
    case "number":
      // Infinity says "no end"; JSON has no word for it, nor for the zero below zero.
      return Number.isFinite(value) ? value + 0 : null;
    case "bigint":
      return String(value);
    case "object":
      return value === null ? null : cleanObject(value, depth);
    default:
      return undefined;
  }
}

function cleanObject(value: object, depth: number): Json | undefined {
  if (depth >= MOST_DEPTH) return undefined;
  if (Array.isArray(value)) return value.slice(0, MOST_MEMBERS).map((item) => clean(item, depth + 1) ?? null);
  if (value instanceof Error) return clean(value.message, depth);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  const cleaned: [string, Json][] = [];
  for (const [key, member] of Object.entries(value).slice(0, MOST_MEMBERS)) {
    if (NEVER.test(key)) continue;
    const json = clean(member, depth + 1);
    if (json !== undefined) cleaned.push([key, json]);
  }
  // Not by assignment: a member may be called __proto__.
  return Object.fromEntries(cleaned);
}
