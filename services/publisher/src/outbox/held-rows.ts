/**
 * Rows whose copy a broker holds for a session (`hold_ms`), as conditions of statements.
 *
 * Invariants:
 *  HELD-1. A copy counts as held from a PUBACK that does not say "no matching subscribers" to the row's `due_at`.
 *  HELD-2. A birth makes a held row due no earlier than after `BIRTH_GRACE_MS`: where the session is there, the device gets the
 *          broker's copy and answers within that time.
 */

/** "No matching subscribers" of MQTT 5: no session keeps a copy. */
export const NO_SUBSCRIBER = 0x10;

/** A device that is awake for 5 s, on a line of 5 s each way. */
export const BIRTH_GRACE_MS = 15_000;

/** The last PUBACK said that no session is there. */
export const hasNoSession = (row: string): string => `${row}.last_reason_code is not distinct from ${NO_SUBSCRIBER}`;

/** The row is for the broker's session, whether its destination answers or not. */
export const isForSession = (row: string): string =>
  `(coalesce(${row}.hold_ms, 0) > 0 and ${row}.last_reason_code is distinct from ${NO_SUBSCRIBER})`;

/** HELD-1, of a row that is live. */
export const isHeld = (row: string): string =>
  `(coalesce(${row}.hold_ms, 0) > 0 and ${row}.state = 'sent' and ${row}.lease_owner is null and ${row}.last_outcome = 'acked' and ${row}.last_reason_code is distinct from ${NO_SUBSCRIBER})`;
