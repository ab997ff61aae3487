/**
 * Asks PostgreSQL each second whether it takes writes. The steps report their statements here, and the watch passes them on to
 * the troubles, which tell the database's health.
 */
import type { DbFailure } from "@acktor/shared/db/pool";
import type { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import { pause } from "@acktor/shared/runtime/pause";
import type { Role } from "@acktor/shared/runtime/supervisor";
import type { Failure, TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { Inbox } from "./inbox.ts";

/** What the steps need of the watch. */
export type Reports = Pick<TroubleDesk, "note" | "report">;

const PROBE_EVERY_MS = 1_000;

export class DatabaseWatch implements Reports, Role {
  readonly health: DatabaseHealth;
  readonly #inbox: Pick<Inbox, "probe">;
  readonly #troubles: TroubleDesk;
  /** Written by `watchSchema`. */
  #isPrepared = false;

  constructor(inbox: Pick<Inbox, "probe">, troubles: TroubleDesk, health: DatabaseHealth) {
    this.#inbox = inbox;
    this.#troubles = troubles;
    this.health = health;
  }

  isUp(): boolean {
    return this.health.isUp();
  }

  note(area: string, failure: Failure | DbFailure): void {
    this.#troubles.note(area, failure);
  }

  report<T extends Parameters<TroubleDesk["report"]>[1]>(area: string, result: T): T {
    return this.#troubles.report(area, result);
  }

  /** The schema is there: from now on a missing one is a state of the database. */
  watchSchema(): void {
    this.#isPrepared = true;
  }

  async probe(): Promise<boolean> {
    const { health } = this;
    const answer = await this.#inbox.probe(health.needsWrite());
    const isEarly = answer.ok && !this.#isPrepared;
    health.probed(isEarly ? { ok: true, rows: answer.rows.map((facts) => ({ ...facts, whole: true })) } : answer);
    return health.isUp();
  }

  /** The role that probes. */
  async run(signal: AbortSignal): Promise<void> {
    while (await pause(PROBE_EVERY_MS, signal)) await this.probe();
  }
}
