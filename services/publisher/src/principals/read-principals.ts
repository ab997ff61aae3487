/** Principals in force, with their tokens' hashes: what a publisher keeps in memory. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "../outbox/outbox.ts";
import type { Scope } from "./principal.ts";

/** Principals in force at a time; one more is refused when it is created. */
export const MOST_PRINCIPALS = 1_000;

export interface PrincipalRow {
  readonly name: string;
  readonly token_hash: string;
  readonly scopes: readonly Scope[];
  readonly write_filters: readonly string[];
  readonly read_filters: readonly string[];
  readonly requests_per_second: number | null;
  readonly most_waiting: number | null;
  /** ISO 8601. */
  readonly expires_at: string | null;
  /** By the database's clock; null: it does not expire. */
  readonly expires_in_ms: number | null;
}

/** For a WHERE: neither revoked nor expired. */
export const IN_FORCE = "revoked_at is null and (expires_at is null or expires_at > now())";

const READ = `select name, token_hash, to_json(scopes)::text scopes, to_json(write_filters)::text write_filters,
  to_json(read_filters)::text read_filters, requests_per_second, most_waiting, expires_at,
  (extract(epoch from expires_at - now()) * 1000)::float8 expires_in_ms
from publisher.principal where ${IN_FORCE} order by name limit ${MOST_PRINCIPALS}`;

type Texts = Record<"scopes" | "write_filters" | "read_filters", string>;

/** A caller with an unknown token waits for this statement. */
const DEADLINE_MS = 1_000;

/** The table of principals, as the book reads it. */
export class PrincipalTable {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async read(): Promise<Outcome<readonly PrincipalRow[]>> {
    const answer = await this.#pool.run<Omit<PrincipalRow, keyof Texts> & Texts>(READ, [], { deadlineMs: DEADLINE_MS });
    if (!answer.ok) return answer;
    const value = answer.rows.map((row) => ({
      ...row,
      scopes: JSON.parse(row.scopes) as Scope[],
      write_filters: JSON.parse(row.write_filters) as string[],
      read_filters: JSON.parse(row.read_filters) as string[],
    }));
    return { ok: true, value };
  }
}
