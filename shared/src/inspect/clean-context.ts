/**
 * A machine's context as it may leave the process.
 *
 * Invariants:
 *  CONTEXT-1. It contains only keys that the owner of the machine listed.
 *  CONTEXT-2. It is JSON, and bounded in depth, length of texts, and members of lists and objects. Functions and instances of
 *     classes are left out.
 *  CONTEXT-3. It contains nothing under a name that suggests a secret or a payload, at any depth.
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
  // CONTEXT-1
  for (const key of shown) {
    if (!Object.hasOwn(context, key) || NEVER.test(key)) continue; // CONTEXT-3
    const value = clean((context as Record<string, unknown>)[key], 1);
    if (value !== undefined) chosen[key] = value;
  }
  return chosen;
}

/** A context of another instance, under the same bounds. */
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
      // JSON has neither infinity nor negative zero.
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
  if (depth >= MOST_DEPTH) return undefined; // CONTEXT-2
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
