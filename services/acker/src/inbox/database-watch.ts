/**
 * Whether PostgreSQL answers: known from a probe each second, and immediately from any statement that failed because of it.
 * The steps report their statements here, and the watch passes them on to the troubles.
 *
 * Invariants:
 *  WATCH-1. Listeners are notified when PostgreSQL answers for the first time, and when it answers again.
 */
import type { DbFailure } from "@acktor/shared/db/pool";
import type { Logger } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import type { Role } from "@acktor/shared/runtime/supervisor";
import type { Failure, TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { Inbox } from "./inbox.ts";

export interface DatabaseListener {
  databaseReturned(): void;
}

/** What the steps need of the watch. */
export type Reports = Pick<TroubleDesk, "note" | "report">;

const PROBE_EVERY_MS = 1_000;

export class DatabaseWatch implements Reports, Role {
  readonly #inbox: Pick<Inbox, "probe">;
  readonly #troubles: TroubleDesk;
  readonly #logger: Logger;
  readonly #listeners: DatabaseListener[] = [];
  /** Written by `#lost` and `probe`, as `#isUp` is. */
  #failure: Failure | null = null;
  #isUp = false;

  constructor(inbox: Pick<Inbox, "probe">, troubles: TroubleDesk, logger: Logger) {
    this.#inbox = inbox;
    this.#troubles = troubles;
    this.#logger = logger;
  }

  listen(listener: DatabaseListener): void {
    this.#listeners.push(listener);
  }

  isUp(): boolean {
    return this.#isUp;
  }

  /** One line about the last failure, or null while the database answers. */
  fault(): string | null {
    return this.#failure === null ? null : `${this.#failure.message} (${this.#failure.code})`;
  }

  note(area: string, failure: Failure | DbFailure): void {
    // `rejected` is an answer: the server is there, its state is wrong (disk full, schema missing).
    if ("kind" in failure && failure.kind === "unavailable") this.#lost(failure);
    this.#troubles.note(area, failure);
  }

  report<T extends Parameters<TroubleDesk["report"]>[1]>(area: string, result: T): T {
    if (result.ok) this.#troubles.clear(area);
    else this.note(area, result.failure);
    return result;
  }

  async probe(): Promise<boolean> {
    const answer = await this.#inbox.probe();
    if (!answer.ok) {
      this.#lost(answer.failure);
      return false;
    }
    this.#failure = null;
    if (this.#isUp) return true;
    this.#isUp = true;
    this.#logger.info({}, "PostgreSQL answers");
    // WATCH-1
    for (const listener of this.#listeners) listener.databaseReturned();
    return true;
  }

  /** The role that probes. */
  async run(signal: AbortSignal): Promise<void> {
    while (await pause(PROBE_EVERY_MS, signal)) await this.probe();
  }

  #lost(failure: Failure): void {
    this.#failure = failure;
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#logger.error({ code: failure.code, why: failure.message }, "PostgreSQL does not answer");
  }
}
