/** What the doctor asks PostgreSQL in addition to `check-database.ts`, in the order of the answer. */
import { LOCKS, SESSIONS } from "./check-sessions.ts";
import type { AskedCheck } from "./database-check.ts";

export const DATABASE_CHECKS: readonly AskedCheck[] = [SESSIONS, LOCKS];
