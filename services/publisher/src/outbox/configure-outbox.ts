/** Settings that the publisher writes to the database at its start, so that SQL callers get the same defaults and faults. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";

export interface OutboxSettings {
  readonly ackPrefix: string;
  readonly presencePrefix: string;
  readonly defaultTtlMs: number | null;
  readonly defaultMaxRetries: number | null;
  /** TTL and deliver_at of SQL callers reach at most this far. */
  readonly retentionMs: number;
  /** Of messages that name no hold; null = none. */
  readonly defaultHoldMs: number | null;
  /** Levels of a topic that form a destination; 0 = all levels. */
  readonly destinationLevels: number;
}

const CONFIGURE = 'select publisher.configure($1, $2, $3::int8, $4::int4, $5::int8, $6::int4, $7::int8) as "outboxId"';

/**
 * Writes the settings where they differ.
 * @returns the id of this outbox (`doctor` shows it)
 */
export async function configureOutbox(
  pool: Pool,
  settings: OutboxSettings,
): Promise<Outcome<{ readonly outboxId: string }>> {
  const { ackPrefix, presencePrefix, defaultTtlMs, defaultMaxRetries, retentionMs } = settings;
  const { destinationLevels, defaultHoldMs } = settings;
  const params = [
    ackPrefix,
    presencePrefix,
    defaultTtlMs,
    defaultMaxRetries,
    retentionMs,
    destinationLevels,
    defaultHoldMs,
  ];
  const answer = await pool.run<{ outboxId: string }>(CONFIGURE, params);
  return answer.ok ? { ok: true, value: { outboxId: answer.rows[0]?.outboxId ?? "" } } : answer;
}
