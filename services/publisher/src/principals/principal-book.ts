/**
 * The principals in force, by the hash of their token, as this publisher last read them.
 *
 * Invariants:
 *  BOOK-1. A token that was revoked is refused within a second of its revocation, while PostgreSQL answers: the book is
 *    read again every `EVERY_MS`.
 *  BOOK-2. A token that is not in the book makes it read immediately, at most every `PAUSE_MS`, and all callers meanwhile
 *    wait for the same statement: a flood of invented tokens costs PostgreSQL four statements a second.
 *  BOOK-3. While PostgreSQL is unreachable the last reading stays valid; a token expires all the same, by the monotonic clock.
 *  BOOK-4. What lasts longer than a request (an event stream) ends with its token: it watches the book, and is ended after
 *    the reading, or failed reading, that finds the token no longer in force.
 */
import type { DbFailure } from "@acktor/shared/db/pool";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Outcome } from "../outbox/outbox.ts";
import { effectiveScopes, type Principal } from "./principal.ts";
import type { PrincipalRow } from "./read-principals.ts";
import { TopicFilters } from "./topic-filters.ts";

/** BOOK-1 */
export const EVERY_MS = 500;
const PAUSE_MS = 250;

/** Where the principals are kept. */
export interface PrincipalSource {
  read(): Promise<Outcome<readonly PrincipalRow[]>>;
}

/** What lasts longer than a request, as an event stream. */
export interface LongAnswer {
  end(): void;
}

export interface PrincipalBookParts {
  readonly source: PrincipalSource;
  readonly clock: Pick<Clock, "now">;
}

interface Entry {
  readonly principal: Principal;
  /** Monotonic milliseconds; infinite where it does not expire. */
  readonly endsAt: number;
}

interface Watcher {
  readonly tokenHash: string;
  readonly answer: LongAnswer;
}

export class PrincipalBook {
  readonly #parts: PrincipalBookParts;
  /** By the hash of the token; null before the first reading. */
  #entries: ReadonlyMap<string, Entry> | null = null;
  #reading: Promise<DbFailure | null> | null = null;
  #startedAt = Number.NEGATIVE_INFINITY;
  readonly #watchers = new Set<Watcher>();

  constructor(parts: PrincipalBookParts) {
    this.#parts = parts;
  }

  /** False until the table was read once. */
  get isRead(): boolean {
    return this.#entries !== null;
  }

  /** Principals that this publisher knows. */
  get size(): number {
    return this.#entries?.size ?? 0;
  }

  /** The principal of a token, as last read; null when there is none in force. */
  find(tokenHash: string): Principal | null {
    const entry = this.#entries?.get(tokenHash);
    // BOOK-3
    return entry !== undefined && this.#parts.clock.now() < entry.endsAt ? entry.principal : null;
  }

  /** As `find`, after another reading of the table where the token is not known. */
  async lookUp(tokenHash: string): Promise<Principal | null> {
    const known = this.find(tokenHash);
    if (known !== null) return known;
    // BOOK-2
    if (this.#reading === null && this.#parts.clock.now() - this.#startedAt < PAUSE_MS) return null;
    await this.refresh();
    return this.find(tokenHash);
  }

  /** Ends the answer once the token is not in force any more. @returns what ends the watch; a second call does nothing */
  watch(tokenHash: string, answer: LongAnswer): () => void {
    const watcher = { tokenHash, answer };
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Reads the table; a call while that is under way waits for it. @returns why it could not be read */
  refresh(): Promise<DbFailure | null> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
      this.#dismiss();
    });
    return this.#reading;
  }

  /** Reads the table with a statement that starts after this call: what was committed before is in the book then. */
  async refreshAfterwards(): Promise<void> {
    await this.#reading;
    await this.refresh();
  }

  #dismiss(): void {
    for (const watcher of this.#watchers) {
      if (this.find(watcher.tokenHash) !== null) continue;
      this.#watchers.delete(watcher);
      watcher.answer.end(); // BOOK-4
    }
  }

  async #read(): Promise<DbFailure | null> {
    this.#startedAt = this.#parts.clock.now();
    const answer = await this.#parts.source.read();
    if (!answer.ok) return answer.failure;
    const readAt = this.#startedAt;
    this.#entries = new Map(
      answer.value.map((row) => [
        row.token_hash,
        { principal: toPrincipal(row), endsAt: readAt + (row.expires_in_ms ?? Number.POSITIVE_INFINITY) },
      ]),
    );
    return null;
  }
}

function toPrincipal(row: PrincipalRow): Principal {
  return {
    name: row.name,
    scopes: effectiveScopes(row.scopes),
    write: new TopicFilters(row.write_filters),
    read: new TopicFilters(row.read_filters),
    requestsPerSecond: row.requests_per_second,
    mostWaiting: row.most_waiting,
    expiresAt: row.expires_at,
    authenticated: true,
    keyOwner: row.name,
    sender: row.name,
  };
}
