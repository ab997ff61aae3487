/**
 * The key of a message in the inbox.
 *
 * Invariants:
 *  KEY-1. The same id gives the same key, in any process, permanently.
 *  KEY-2. A UUID is its own key, in lower case; any other text gives a version-8 UUID that begins with f, which no UUIDv7
 *         of this or the next thousand years does: it lies in the inbox's default partition.
 */
import { createHash } from "node:crypto";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export interface InboxKey {
  readonly messageId: string;
  /** The id as given, where it is no UUID. */
  readonly externalId: string | null;
}

/** The key of an id as the envelope has it. KEY-1 */
export function inboxKey(id: string): InboxKey {
  if (id.length === 36) {
    const lower = UUID.test(id) ? id : id.toLowerCase();
    if (UUID.test(lower)) return { messageId: lower, externalId: null };
  }
  // KEY-2
  const hex = createHash("sha256").update(id, "utf8").digest("hex");
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  const parts = [`f${hex.slice(1, 8)}`, hex.slice(8, 12), `8${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`];
  return { messageId: `${parts.join("-")}-${hex.slice(20, 32)}`, externalId: id };
}
