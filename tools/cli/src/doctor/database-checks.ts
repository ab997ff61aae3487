/** What the doctor asks PostgreSQL in addition to `check-database.ts`, in the order of the answer. */
import { DEAD_LETTERS, DELIVERIES, REFUSED_TOPICS, SILENT_DESTINATIONS } from "./check-deliveries.ts";
import { LOCKS, SESSIONS } from "./check-sessions.ts";
import { ENCODING, SLOTS, SNAPSHOTS, TRANSACTION_IDS } from "./check-upkeep.ts";
import type { AskedCheck } from "./database-check.ts";

export const DATABASE_CHECKS: readonly AskedCheck[] = [
  ...[SESSIONS, LOCKS],
  ...[ENCODING, SNAPSHOTS, SLOTS, TRANSACTION_IDS],
  ...[DELIVERIES, REFUSED_TOPICS, SILENT_DESTINATIONS, DEAD_LETTERS],
];
