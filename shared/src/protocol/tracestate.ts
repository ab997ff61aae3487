/**
 * W3C Trace Context, the vendors' part: opaque here, sent together with `traceparent` and never without it.
 * https://www.w3.org/TR/trace-context/#tracestate-header
 */
const MOST_CHARACTERS = 512;
const MOST_MEMBERS = 32;
const KEY = "[a-z0-9][a-z0-9_\\-*/]{0,240}(?:@[a-z][a-z0-9_\\-*/]{0,13})?";
const VALUE = "[\\x20-\\x2b\\x2d-\\x3c\\x3e-\\x7e]{0,255}[\\x21-\\x2b\\x2d-\\x3c\\x3e-\\x7e]";
const MEMBER = new RegExp(`^${KEY}=${VALUE}$`);

/** @returns its members, joined by commas; null for an invalid text, which the standard requires to drop completely */
export function readTracestate(text: string): string | null {
  if (text.length > MOST_CHARACTERS) return null;
  const members = text
    .split(",")
    .map((member) => member.trim())
    .filter((member) => member !== "");
  if (members.length === 0 || members.length > MOST_MEMBERS) return null;
  return members.every((member) => MEMBER.test(member)) ? members.join(",") : null;
}
