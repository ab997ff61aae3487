/**
 * Keeps the caller a bounded number of messages ahead of the acks, as the raw round trip's window does: what is measured is
 * a stream, not the draining of a heap.
 *
 * Invariant: sent and not acknowledged never exceed `limit`, unless one request alone is larger.
 */
import { until } from "../support/until.ts";
import type { Database } from "./database.ts";

const LIMIT_MS = 300_000;

export class Backlog {
  readonly #database: Database;
  readonly #limit: number | null;
  #ahead = 0;
  #acknowledged: number;
  #look: Promise<void> | null = null;

  private constructor(database: Database, limit: number | null, acknowledged: number) {
    this.#database = database;
    this.#limit = limit;
    this.#acknowledged = acknowledged;
  }

  /** @param limit messages; null = no limit */
  static async start(database: Database, limit: number | null): Promise<Backlog> {
    return new Backlog(database, limit, await database.acknowledged());
  }

  /** Resolves when `messages` more may be sent; they count from then on. */
  async admit(messages: number): Promise<void> {
    const limit = this.#limit;
    if (limit === null) return;
    const fits = async (): Promise<boolean> => {
      if (this.#ahead > 0 && this.#ahead + messages > limit) await this.#refresh();
      // Several connections wait for the same look: the first of them that fits takes the room.
      if (this.#ahead > 0 && this.#ahead + messages > limit) return false;
      this.#ahead += messages;
      return true;
    };
    await until(fits, LIMIT_MS, "the backlog to shrink");
  }

  #refresh(): Promise<void> {
    this.#look ??= this.#count().finally(() => {
      this.#look = null;
    });
    return this.#look;
  }

  async #count(): Promise<void> {
    const acknowledged = await this.#database.acknowledged();
    this.#ahead -= acknowledged - this.#acknowledged;
    this.#acknowledged = acknowledged;
  }
}
