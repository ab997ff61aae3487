/**
 * Is PostgreSQL there? Known from a probe each second, and at once from any statement that failed for it.
 * `readyz` reads it; its return is told, because the outbox can then be asked for what was refused meanwhile.
 */
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import { pause } from "@acktor/shared/runtime/pause";

export interface DatabaseWatch {
  isUp(): boolean;
  /** One line about the last failure, or null while it is up. */
  fault(): string | null;
  /** A statement failed because of the database. */
  noteTrouble(failure: DbFailure): void;
  /** One probe now. */
  probe(): Promise<boolean>;
  /** The role that probes. Ends with its signal. */
  watchForever(signal: AbortSignal): Promise<void>;
}

export interface DatabaseWatchOptions {
  readonly pool: Pool;
  /** Called when it answers again, and the first time. */
  readonly onReturn: () => void;
  readonly onLoss: (failure: DbFailure) => void;
}

const PROBE_EVERY_MS = 1_000;
const PROBE_DEADLINE_MS = 1_500;

export function createDatabaseWatch({ pool, onReturn, onLoss }: DatabaseWatchOptions): DatabaseWatch {
  let failure: DbFailure | null = null;
  let isUp = false;

  function noteTrouble(why: DbFailure): void {
    failure = why;
    if (!isUp) return;
    isUp = false;
    onLoss(why);
  }

  async function probe(): Promise<boolean> {
    const answer = await pool.run("select 1", [], { deadlineMs: PROBE_DEADLINE_MS });
    if (!answer.ok) {
      noteTrouble(answer.failure);
      return false;
    }
    failure = null;
    if (!isUp) {
      isUp = true;
      onReturn();
    }
    return true;
  }

  return {
    isUp: () => isUp,
    fault: () => (failure === null ? null : `${failure.message} (${failure.code})`),
    noteTrouble,
    probe,
    async watchForever(signal) {
      while (await pause(PROBE_EVERY_MS, signal)) await probe();
    },
  };
}
