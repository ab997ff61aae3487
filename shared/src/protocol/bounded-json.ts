/**
 * JSON from a stranger: measured before it is parsed.
 *
 * Invariants:
 *  JSON-1. A text beyond `maxBytes`, `maxDepth` or `maxValues` is never given to `JSON.parse`. 8 MiB of `[[[…` took it
 *          2.4 s of CPU; the measuring takes 8 ms and stops at the first excess.
 *  JSON-2. Reading never throws: the answer is a value of a kind.
 *  JSON-3. The sender cannot set a prototype: `__proto__` stays an ordinary own key.
 */

export interface JsonLimits {
  /** Bytes of the text as UTF-8. */
  readonly maxBytes: number;
  /** Levels of nested arrays and objects. */
  readonly maxDepth: number;
  /** Strings, commas and opening brackets of the text together; a member with a text counts as three. */
  readonly maxValues: number;
  /** Bytes of one string as it is written. Default: no limit except `maxBytes`. */
  readonly maxTextBytes?: number;
}

export type ReadJson =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false;
      readonly kind: "too_large" | "too_deep" | "too_many" | "not_utf8" | "not_json";
      /** A sentence's end: "is nested deeper than 32 levels". */
      readonly reason: string;
    };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Reads JSON from raw bytes. JSON-2
 * @param bytes as they came from the network
 */
export function readJson(bytes: Uint8Array, limits: JsonLimits): ReadJson {
  if (bytes.byteLength > limits.maxBytes) return refuse("too_large", `is larger than ${limits.maxBytes} bytes`);
  const excess = measure(bytes, limits);
  if (excess !== null) return excess;
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return refuse("not_utf8", "is not UTF-8");
  }
  try {
    return { ok: true, value: JSON.parse(text) }; // JSON-3
  } catch {
    return refuse("not_json", "is not JSON");
  }
}

/** The same for a text that a driver has decoded already. */
export function readJsonText(text: string, limits: JsonLimits): ReadJson {
  if (text.length > limits.maxBytes) return refuse("too_large", `is larger than ${limits.maxBytes} bytes`);
  return readJson(Buffer.from(text, "utf8"), limits);
}

/** True for an object: no array, no null. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Counts strings, and brackets and commas outside of them; the parser rejects text that is not JSON. JSON-1 */
function measure(
  bytes: Uint8Array,
  { maxDepth, maxValues, maxTextBytes = Number.POSITIVE_INFINITY }: JsonLimits,
): Exclude<ReadJson, { ok: true }> | null {
  let depth = 0;
  let startedAt = 0;
  let values = 1;
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE:
        // To the quote that ends the string. Inline: a call for each string doubled the time of short ones.
        values++;
        startedAt = ++at;
        while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
        if (at - startedAt > maxTextBytes) return refuse("too_large", `has a text of more than ${maxTextBytes} bytes`);
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        values++;
        if (++depth > maxDepth) return refuse("too_deep", `is nested deeper than ${maxDepth} levels`);
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth--;
        break;
      case COMMA:
        values++;
        break;
    }
    if (values > maxValues) return refuse("too_many", `has more than ${maxValues} values`);
  }
  return null;
}

function refuse(kind: Exclude<ReadJson, { ok: true }>["kind"], reason: string): Exclude<ReadJson, { ok: true }> {
  return { ok: false, kind, reason };
}
