/** PostgreSQL: version, durability settings, clock, migrations, the outbox's id and prefix. */
import { pendingMigrations } from "@acktor/shared/db/migrate";
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import { stateOf } from "@acktor/shared/runtime/database-state";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";
import { migrationsOf, SERVICES, type ServiceName } from "../commands/services.ts";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { type Check, failed, median, ok, warn } from "./check.ts";
import { DATABASE_CHECKS } from "./database-checks.ts";

const OLDEST = 15;
const NEWEST = 18;
const PINGS = 5;
/** No code compares the two clocks, but people read logs side by side, and ids carry the publisher's time. */
const SKEW_WARN_MS = 2_000;
/** Ids fall into partitions by day. */
const SKEW_FAIL_MS = 3_600_000;

interface ServerRow {
  readonly version: number;
  readonly name: string;
  readonly standby: boolean;
  readonly read_only: boolean;
  readonly fsync: string;
  readonly commit: string;
}

const SERVER = `select current_setting('server_version_num')::int4 version, current_setting('server_version') as name,
  pg_is_in_recovery() standby, current_setting('transaction_read_only') = 'on' read_only, current_setting('fsync') fsync, current_setting('synchronous_commit') as commit`;

/** All checks of the database; only the first if the database is unreachable. */
export async function checkDatabase(session: Session, pool: Pool, config: PublisherSettings): Promise<Check[]> {
  const answer = await pool.run<ServerRow>(SERVER);
  if (!answer.ok) return [unreachable(session, answer.failure)];
  const [row] = answer.rows;
  if (row === undefined) return [];
  const server = judgeServer(session, row, await pingMs(session, pool));
  const migrations: Check[] = [];
  for (const service of SERVICES) migrations.push(await checkMigrations(session, pool, service));
  const further: Check[] = [];
  for (const asked of DATABASE_CHECKS) {
    const check = await asked.ask(pool, { texts: session.texts.doctor, config });
    if (check !== null) further.push(check);
  }
  const outbox = await checkOutbox(session, pool, config);
  return [server, await checkClock(session, pool), ...migrations, outbox, ...further];
}

function unreachable({ texts }: Session, { code, message }: DbFailure): Check {
  const kind = stateOf({ code, message })?.kind ?? "unreachable";
  const { says, remedy } = texts.doctor.databaseState(kind);
  return failed("postgres", `${says}: ${printable(message, 300)} (${code})`, remedy, { code, state: kind });
}

async function pingMs({ clock }: Session, pool: Pool): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const begin = clock.now();
    await pool.run("select 1");
    times.push(clock.now() - begin);
  }
  return median(times);
}

function judgeServer({ texts }: Session, row: ServerRow, roundTripMs: number): Check {
  const { doctor: t } = texts;
  const major = Math.floor(row.version / 10_000);
  const found = t.postgresFound(printable(row.name), roundTripMs.toFixed(1));
  const data = { version: major, round_trip_ms: roundTripMs, fsync: row.fsync, synchronous_commit: row.commit };
  if (major < OLDEST) return failed("postgres", found, t.postgresOldFix(OLDEST, NEWEST), data);
  if (row.standby || row.read_only) {
    const state = row.standby ? "standby" : "read_only";
    const { says, remedy } = t.databaseState(state);
    return failed("postgres", `${found}; ${says}`, remedy, { ...data, state });
  }
  if (row.fsync !== "on" || row.commit === "off") {
    const unsafe = `fsync=${row.fsync} synchronous_commit=${row.commit}`;
    return warn("postgres", `${found}, ${unsafe}`, t.durabilityFix, data);
  }
  if (major > NEWEST) return warn("postgres", found, t.postgresNewFix(NEWEST), data);
  return ok("postgres", found, data);
}

/** The difference of the clocks, measured in the middle of a round trip. */
async function checkClock({ texts }: Session, pool: Pool): Promise<Check> {
  const { doctor: t } = texts;
  const before = Date.now();
  const answer = await pool.run<{ ms: number }>("select (extract(epoch from clock_timestamp()) * 1000)::float8 ms");
  const after = Date.now();
  if (!answer.ok) return failed("clock", printable(answer.failure.message), t.postgresAwayFix);
  const skewMs = Math.round((answer.rows[0]?.ms ?? 0) - (before + after) / 2);
  const found = t.clockFound(skewMs);
  if (Math.abs(skewMs) > SKEW_FAIL_MS) return failed("clock", found, t.clockFix, { skew_ms: skewMs });
  if (Math.abs(skewMs) > SKEW_WARN_MS) return warn("clock", found, t.clockFix, { skew_ms: skewMs });
  return ok("clock", found, { skew_ms: skewMs });
}

async function checkMigrations({ texts }: Session, pool: Pool, service: ServiceName): Promise<Check> {
  const { doctor: t } = texts;
  const check = `migrations ${service}`;
  const found = await pendingMigrations(pool, await migrationsOf(service));
  if (!found.ok) return failed(check, printable(found.failure.message), printable(found.failure.fix));
  const { pending, applied } = found;
  const data = { applied: applied.length, pending: pending.length };
  if (pending.length === 0) return ok(check, t.migrated(applied.length), data);
  // The acker's schema may lie in a database of its own.
  if (applied.length === 0 && service === "acker") return warn(check, t.noInbox, t.noInboxFix, data);
  return warn(check, t.pending(pending.join(", ")), t.pendingFix, data);
}

async function checkOutbox({ texts }: Session, pool: Pool, config: PublisherSettings): Promise<Check> {
  const { doctor: t } = texts;
  const there = await pool.run<{ there: boolean }>("select to_regclass('publisher.outbox') is not null there");
  if (!there.ok || there.rows[0]?.there !== true) return warn("outbox", t.noOutbox, t.pendingFix);
  const answer = await pool.run<{ outbox_id: string; ack_prefix: string }>(
    "select outbox_id::text, ack_prefix from publisher.outbox",
  );
  const [row] = answer.ok ? answer.rows : [];
  if (row === undefined) return failed("outbox", t.noOutbox, t.pendingFix);
  const found = t.outbox(row.outbox_id, printable(row.ack_prefix));
  const data = { outbox_id: row.outbox_id, ack_prefix: row.ack_prefix };
  if (row.ack_prefix === config.ACKTOR_ACK_PREFIX) return ok("outbox", found, data);
  return warn("outbox", found, t.prefixFix(printable(row.ack_prefix), config.ACKTOR_ACK_PREFIX), data);
}

/** Those of the message ids that are not in the outbox; null if the database does not answer. */
export async function unknownIds(pool: Pool, ids: readonly string[]): Promise<readonly string[] | null> {
  const { pgArray } = await import("@acktor/shared/db/pool");
  const answer = await pool.run<{ id: string }>(
    `select i.id::text from unnest($1::uuid[]) i(id)
     where not exists (select from publisher.message_delivery m where m.message_id = i.id)`,
    [pgArray(ids)],
  );
  return answer.ok ? answer.rows.map((row) => row.id) : null;
}
