/**
 * Creates, lists and revokes principals; each change is recorded in the same statement.
 *
 * Invariants:
 *  CHANGE-1. A name in force is never given to a second token. One that was revoked or has expired may be given again.
 *  CHANGE-2. Neither a token nor its hash is in the audit or in any answer but that of the creation.
 */
import { type DbFailure, type Pool, pgArray } from "@acktor/shared/db/pool";
import { type Asker, askerParams } from "../outbox/asker.ts";
import type { Outcome } from "../outbox/outbox.ts";
import type { Scope } from "./principal.ts";
import { IN_FORCE, MOST_PRINCIPALS } from "./read-principals.ts";

export interface NewPrincipal {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly write: readonly string[];
  readonly read: readonly string[];
  readonly requestsPerSecond: number | null;
  readonly mostWaiting: number | null;
  readonly expiresInSeconds: number | null;
}

/** As the HTTP interface shows it. */
export interface PrincipalView {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly topics: { readonly write: readonly string[]; readonly read: readonly string[] };
  readonly requests_per_second: number | null;
  readonly most_waiting: number | null;
  readonly expires_at: string | null;
  readonly created_at: string;
  readonly created_by: string;
  readonly revoked_at: string | null;
}

const KEPT_DAYS = 90;
const LISTED = 2_000;

const VIEW = `to_json(row)::text view from (select name, scopes,
  json_build_object('write', write_filters, 'read', read_filters) topics, requests_per_second, most_waiting,
  ${iso("expires_at")} expires_at, ${iso("created_at")} created_at, created_by, ${iso("revoked_at")} revoked_at`;

function iso(time: string): string {
  return `to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

// CHANGE-2: the audit lists its fields by name.
const AUDIT = "insert into publisher.operator_action (who, said, origin, action, detail, messages)";

// Principals revoked or expired long ago are deleted, so that the table is bounded. CHANGE-1: `on conflict … where`.
const CREATE = `with old as (
  delete from publisher.principal where least(revoked_at, expires_at) < now() - interval '${KEPT_DAYS} days' and name <> $1),
made as (
  insert into publisher.principal as p (name, token_hash, scopes, write_filters, read_filters, requests_per_second, most_waiting, expires_at, created_by)
  select $1, $2, $3::text[], $4::text[], $5::text[], $6::int4, $7::int4, now() + $8::float8 * interval '1 second', $9
  where (select count(*) from publisher.principal where ${IN_FORCE}) < ${MOST_PRINCIPALS}
  on conflict (name) do update set token_hash = excluded.token_hash, scopes = excluded.scopes, write_filters = excluded.write_filters,
    read_filters = excluded.read_filters, requests_per_second = excluded.requests_per_second, most_waiting = excluded.most_waiting,
    expires_at = excluded.expires_at, created_at = now(), created_by = excluded.created_by, revoked_at = null
  where p.revoked_at is not null or p.expires_at <= now()
  returning *),
audit as (
  ${AUDIT}
  select $9, $10, $11, 'principal.create', jsonb_build_object('name', name, 'scopes', scopes, 'write', write_filters, 'read', read_filters,
    'requests_per_second', requests_per_second, 'most_waiting', most_waiting, 'expires_at', expires_at), 0 from made)
select ${VIEW} from made) row`;

export type Created =
  | { readonly kind: "created"; readonly principal: PrincipalView }
  /** The name is in force, or there are `MOST_PRINCIPALS`. */
  | { readonly kind: "taken" };

export async function createPrincipal(
  pool: Pool,
  principal: NewPrincipal,
  tokenHash: string,
  asker: Asker,
): Promise<Outcome<Created>> {
  const { name, scopes, write, read, requestsPerSecond, mostWaiting, expiresInSeconds } = principal;
  const quotas = [requestsPerSecond, mostWaiting, expiresInSeconds];
  const params = [name, tokenHash, pgArray(scopes), pgArray(write), pgArray(read), ...quotas, ...askerParams(asker)];
  const answer = await pool.run<{ view: string }>(CREATE, params);
  if (!answer.ok) return answer;
  const [made] = viewsOf(answer.rows);
  return { ok: true, value: made === undefined ? { kind: "taken" } : { kind: "created", principal: made } };
}

const LIST = `select ${VIEW} from publisher.principal order by (${IN_FORCE}) desc, created_at desc, name limit ${LISTED}) row`;

/** In force first, the newest first. */
export async function listPrincipals(pool: Pool): Promise<Outcome<readonly PrincipalView[]>> {
  const answer = await pool.run<{ view: string }>(LIST);
  return answer.ok ? { ok: true, value: viewsOf(answer.rows) } : answer;
}

const REVOKE = `with gone as (
  update publisher.principal set revoked_at = now() where name = $1 and ${IN_FORCE} returning *),
audit as (
  ${AUDIT}
  select $2, $3, $4, 'principal.revoke', jsonb_build_object('name', name), 0 from gone)
select ${VIEW} from gone) row`;

/** @returns null when no principal of this name is in force */
export async function revokePrincipal(
  pool: Pool,
  name: string,
  asker: Asker,
): Promise<
  { readonly ok: true; readonly value: PrincipalView | null } | { readonly ok: false; readonly failure: DbFailure }
> {
  const answer = await pool.run<{ view: string }>(REVOKE, [name, ...askerParams(asker)]);
  return answer.ok ? { ok: true, value: viewsOf(answer.rows)[0] ?? null } : answer;
}

function viewsOf(rows: readonly { readonly view: string }[]): PrincipalView[] {
  return rows.map(({ view }) => JSON.parse(view) as PrincipalView);
}
