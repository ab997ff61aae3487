/** What the doctor asks PostgreSQL in addition to `check-database.ts`, in the order of the answer. */
import { DEAD_LETTERS, DELIVERIES, REFUSED_TOPICS, SILENT_DESTINATIONS } from "./check-deliveries.ts";
import { LOCKS, SESSIONS } from "./check-sessions.ts";
import type { AskedCheck } from "./database-check.ts";

export const DATABASE_CHECKS: readonly AskedCheck[] = [
  ...[SESSIONS, LOCKS],
  ...[DELIVERIES, REFUSED_TOPICS, SILENT_DESTINATIONS, DEAD_LETTERS],
];
