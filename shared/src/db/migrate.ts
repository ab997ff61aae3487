/**
 * Brings a service's schema to the state that this code expects. Files `0001_name.sql` … are applied in order, once.
 *
 * Invariants:
 *  MIGRATE-1. A file is applied completely or not at all: it is sent as one multi-statement simple query, which is one
 *             implicit transaction, and its row in `<schema>.migration` is written in it.
 *  MIGRATE-2. Any number of services may start at the same time: every such query begins with an advisory lock, and the
 *             second service finds the row (23505), reads again, and continues.
 *  MIGRATE-3. A database that is newer than the code, or in which a file was applied that has changed since, is a failure
 *             with its remedy; nothing is applied then.
 *  MIGRATE-4. Where nothing is to do, nothing is locked or written: a role without DDL rights can start on a migrated database.
 *  MIGRATE-5. The wait for the lock has a limit (any role can hold an advisory lock), and the failure names its holder.
 *  MIGRATE-6. After each file PUBLIC may execute no function of the schema, including those that the file has created.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DbFailure, Pool } from "./pool.ts";
import { isPrerelease, PRERELEASE_DATABASE } from "./prerelease.ts";

export interface MigrateOptions {
  /** Schema of the service; made when it is missing. */
  readonly schema: string;
  /** Folder with the .sql files, absolute. */
  readonly directory: string;
  /** How long one file may take, waiting for other services included. */
  readonly deadlineMs?: number;
}

export interface MigrateFailure {
  /**
   *  - `prerelease_database`: it was made by a version from before the first release.
   *  - `newer_database`: it holds migrations that this code does not have.
   *  - `changed_file`: a file differs from what was applied under its name.
   *  - `out_of_order`: a file sorts before one that is applied already.
   *  - `unreadable`: the folder is missing, empty, or has a file with another name.
   *  - `rejected`, `unavailable`, `busy`: the database's answer, see `DbFailure`.
   */
  readonly kind:
    | "prerelease_database"
    | "newer_database"
    | "changed_file"
    | "out_of_order"
    | "unreadable"
    | DbFailure["kind"];
  readonly message: string;
  readonly fix: string;
  /** SQLSTATE, or the driver's code; empty where no statement failed. */
  readonly code: string;
}

export type MigrateResult =
  | { readonly ok: true; readonly applied: readonly string[] }
  | { readonly ok: false; readonly failure: MigrateFailure };

interface MigrationFile {
  readonly name: string;
  readonly checksum: string;
  readonly sql: string;
}

interface AppliedRow {
  readonly name: string;
  readonly checksum: string;
}

const FILE_NAME = /^\d{4}_[a-z0-9_]+\.sql$/;
const SCHEMA_NAME = /^[a-z][a-z0-9_]*$/;
const DEFAULT_DEADLINE_MS = 120_000;
/** First half of the advisory lock's key; the second is the hash of the schema's name. */
const LOCK_CLASS = 7;
const LOCK_NOT_AVAILABLE = "55P03";
/** Other services' migrations take seconds; callers try again after `busy`. */
const MOST_LOCK_WAIT_MS = 15_000;

/**
 * Applies what is missing.
 * @returns the names applied by this call; empty when the schema was up to date
 */
export async function migrate(pool: Pool, options: MigrateOptions): Promise<MigrateResult> {
  const { schema, directory, deadlineMs = DEFAULT_DEADLINE_MS } = options;
  if (!SCHEMA_NAME.test(schema)) throw new Error(`not a schema name: ${schema}`);
  const files = await readFiles(directory);
  if (typeof files === "string") {
    return failed("unreadable", files, "Install the package again; its migrations folder belongs to it.");
  }
  const applied: string[] = [];
  for (;;) {
    const known = await readApplied(pool, schema, deadlineMs);
    if (!known.ok) return known;
    const fault = compare(schema, files, known.rows);
    if (fault !== null) return { ok: false, failure: fault }; // MIGRATE-3
    const next = files[known.rows.length];
    if (next === undefined) return { ok: true, applied }; // MIGRATE-4
    const answer = await pool.run(script(schema, next, deadlineMs), [], { simple: true, deadlineMs });
    // MIGRATE-1, MIGRATE-2
    if (answer.ok) applied.push(next.name);
    else if (answer.failure.constraint !== "migration_pkey") return refused(answer.failure, next.name);
  }
}

export type PendingResult =
  | { readonly ok: true; readonly applied: readonly string[]; readonly pending: readonly string[] }
  | { readonly ok: false; readonly failure: MigrateFailure };

/** What `migrate` would apply, by the same rules; nothing is locked or written. */
export async function pendingMigrations(pool: Pool, options: MigrateOptions): Promise<PendingResult> {
  const { schema, directory } = options;
  if (!SCHEMA_NAME.test(schema)) throw new Error(`not a schema name: ${schema}`);
  const files = await readFiles(directory);
  if (typeof files === "string") {
    return failed("unreadable", files, "Install the package again; its migrations folder belongs to it.");
  }
  const there = await isFounded(pool, schema);
  if (!there.ok) return there;
  const known = there.value ? await selectApplied(pool, schema) : { ok: true as const, rows: [] };
  if (!known.ok) return known;
  const fault = compare(schema, files, known.rows);
  if (fault !== null) return { ok: false, failure: fault };
  const names = files.map((file) => file.name);
  return { ok: true, applied: names.slice(0, known.rows.length), pending: names.slice(known.rows.length) };
}

/** Applied migrations in order; makes schema and table first where they are missing. */
async function readApplied(
  pool: Pool,
  schema: string,
  deadlineMs: number,
): Promise<{ ok: true; rows: readonly AppliedRow[] } | { ok: false; failure: MigrateFailure }> {
  const there = await isFounded(pool, schema);
  if (!there.ok) return there;
  if (!there.value) {
    const made = await pool.run(foundation(schema, deadlineMs), [], { simple: true, deadlineMs });
    if (!made.ok) return refused(made.failure, "making the schema");
  }
  return selectApplied(pool, schema);
}

async function isFounded(
  pool: Pool,
  schema: string,
): Promise<{ ok: true; value: boolean } | { ok: false; failure: MigrateFailure }> {
  const there = await pool.run<{ there: boolean }>("select to_regclass($1) is not null there", [`${schema}.migration`]);
  return there.ok ? { ok: true, value: there.rows[0]?.there === true } : refused(there.failure, "reading the schema");
}

async function selectApplied(
  pool: Pool,
  schema: string,
): Promise<{ ok: true; rows: readonly AppliedRow[] } | { ok: false; failure: MigrateFailure }> {
  const rows = await pool.run<AppliedRow>(`select name, checksum from ${schema}.migration order by name`);
  return rows.ok ? rows : refused(rows.failure, "reading what is applied");
}

function compare(
  schema: string,
  files: readonly MigrationFile[],
  applied: readonly AppliedRow[],
): MigrateFailure | null {
  if (applied.some(isPrerelease)) {
    return fault(
      "prerelease_database",
      PRERELEASE_DATABASE,
      `Drop its schema ${schema} (drop schema ${schema} cascade; its rows are lost), or set DATABASE_URL to a new database.`,
    );
  }
  const ours = new Map(files.map((file) => [file.name, file.checksum]));
  const foreign = applied.find((row) => !ours.has(row.name));
  if (foreign !== undefined) {
    return fault(
      "newer_database",
      `the database has ${foreign.name}, which this version does not know`,
      "Start the version that made it, or a newer one.",
    );
  }
  const changed = applied.find((row) => ours.get(row.name) !== row.checksum);
  if (changed !== undefined) {
    return fault(
      "changed_file",
      `${changed.name} was applied with other content`,
      "Restore the file; put changes into a new one.",
    );
  }
  const late = applied.find((row, at) => files[at]?.name !== row.name);
  if (late !== undefined) {
    return fault(
      "out_of_order",
      `a file sorts before ${late.name}, which is applied already`,
      "Give the new file the next number.",
    );
  }
  return null;
}

/** MIGRATE-5. A DO block, because the schema with its functions may not be there yet. Half of the deadline at least is left for the file. */
function lock(schema: string, deadlineMs: number): string {
  const limitMs = Math.max(1, Math.min(MOST_LOCK_WAIT_MS, Math.round(deadlineMs / 2)));
  return `set local statement_timeout = 0; set local lock_timeout = ${limitMs};
    do $lock$ begin
      perform pg_advisory_xact_lock(${LOCK_CLASS}, hashtext('migrate ${schema}'));
    exception when lock_not_available then
      raise exception 'the lock of the migrations is held by %; waited ${limitMs} ms', (
        select coalesce(string_agg(format('pid %s (user %s, application %s)', coalesce(l.pid, 0), coalesce(a.usename, '?'),
          coalesce(nullif(a.application_name, ''), '?')), ', '), 'a transaction that has just ended')
        from pg_locks l left join pg_stat_activity a on a.pid = l.pid
        where l.locktype = 'advisory' and l.granted and l.objsubid = 2 and l.classid = ${LOCK_CLASS}
          and l.objid = (hashtext('migrate ${schema}')::bigint & 4294967295)::oid
          and l.database = (select oid from pg_database where datname = current_database()))
        using errcode = 'lock_not_available';
    end $lock$; set local lock_timeout = 0;`;
}

function foundation(schema: string, deadlineMs: number): string {
  return `${lock(schema, deadlineMs)}
    create schema if not exists ${schema};
    create table if not exists ${schema}.migration (
      name text constraint migration_pkey primary key,
      checksum text not null,
      applied_at timestamptz not null default now()
    );`;
}

/** The row comes before the file's own statements: the service that lost the race stops there, with nothing done. MIGRATE-1, MIGRATE-6 */
function script(schema: string, file: MigrationFile, deadlineMs: number): string {
  return `${lock(schema, deadlineMs)}
    insert into ${schema}.migration (name, checksum) values ('${file.name}', '${file.checksum}');
    ${file.sql};
    revoke execute on all functions in schema ${schema} from public;`;
}

async function readFiles(directory: string): Promise<readonly MigrationFile[] | string> {
  let names: string[];
  try {
    names = (await readdir(directory)).filter((name) => name.endsWith(".sql")).sort();
  } catch (error) {
    return `cannot read ${directory}: ${(error as Error).message}`;
  }
  const odd = names.find((name) => !FILE_NAME.test(name));
  if (odd !== undefined) return `${odd} is not named like 0001_name.sql`;
  if (names.length === 0) return `${directory} has no migrations`;
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(directory, name), "utf8");
      // A checkout with other line ends is the same migration.
      const checksum = createHash("sha256").update(sql.replaceAll("\r\n", "\n")).digest("hex");
      return { name, checksum, sql };
    }),
  );
}

function refused(failure: DbFailure, where: string): { ok: false; failure: MigrateFailure } {
  const locked = failure.code === LOCK_NOT_AVAILABLE;
  const fix = locked
    ? "End the session that holds the lock (select pg_terminate_backend(<pid>)), and start again."
    : failure.kind === "rejected"
      ? "Check the role's rights on this database, or migrate with an owner's role and start with ACKTOR_MIGRATE=off."
      : "Check that the database is up and reachable; migrations continue where they stopped.";
  const { kind, message, code } = failure;
  return { ok: false, failure: { kind: locked ? "busy" : kind, message: `${where}: ${message} (${code})`, fix, code } };
}

function failed(kind: MigrateFailure["kind"], message: string, fix: string): { ok: false; failure: MigrateFailure } {
  return { ok: false, failure: fault(kind, message, fix) };
}

function fault(kind: MigrateFailure["kind"], message: string, fix: string): MigrateFailure {
  return { kind, message, fix, code: "" };
}
