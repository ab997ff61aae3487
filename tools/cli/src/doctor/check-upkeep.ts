/** What keeps PostgreSQL from cleaning up, or will stop it: long snapshots, replication slots, transaction ids; and its encoding. */
import { printable } from "../terminal/printable.ts";
import { failed, ok, warn } from "./check.ts";
import { databaseCheck } from "./database-check.ts";

const OLD_SNAPSHOT_SECONDS = 3_600;
const MUCH_WAL_MIB = 10_240;
/** PostgreSQL refuses writes at 2,100 million; autovacuum begins at 200 million. */
const MANY_IDS = 500_000_000;
const TOO_MANY_IDS = 1_500_000_000;

interface SnapshotRow {
  readonly pid: number;
  readonly who: string;
  readonly seconds: number;
}

/** Rows that finished after the oldest snapshot stay in the tables: the claim reads past them. */
export const SNAPSHOTS = databaseCheck<SnapshotRow>({
  id: "snapshots",
  question: `select pid, coalesce(nullif(application_name, ''), usename, backend_type) who,
    extract(epoch from now() - coalesce(xact_start, query_start))::int4 seconds
    from pg_stat_activity where (backend_xmin is not null or backend_xid is not null) and backend_type <> 'autovacuum worker'
      and now() - coalesce(xact_start, query_start) > ${OLD_SNAPSHOT_SECONDS} * interval '1 second' order by 3 desc limit 1`,
  judge([row], { texts }) {
    if (row === undefined) return null;
    const { pid, seconds } = row;
    return warn("snapshots", texts.oldSnapshot(pid, printable(row.who, 100), seconds), texts.oldSnapshotFix, {
      pid,
      seconds,
    });
  },
});

interface SlotRow {
  readonly name: string;
  readonly active: boolean;
  readonly mib: number | null;
}

export const SLOTS = databaseCheck<SlotRow>({
  id: "replication slots",
  question: `select slot_name as name, active, ((case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end
    - restart_lsn) / 1048576)::int8::float8 mib from pg_replication_slots order by restart_lsn limit 1`,
  judge([row], { texts }) {
    if (row === undefined || (row.active && (row.mib ?? 0) < MUCH_WAL_MIB)) return null;
    const { active, mib } = row;
    return warn("replication slots", texts.heldWal(printable(row.name, 100), mib ?? 0, active), texts.heldWalFix, {
      active,
      mib,
    });
  },
});

interface AgeRow {
  readonly age: number;
}

export const TRANSACTION_IDS = databaseCheck<AgeRow>({
  id: "transaction ids",
  question:
    "select greatest(age(datfrozenxid), mxid_age(datminmxid))::int4 age from pg_database where datname = current_database()",
  judge([row], { texts }) {
    const age = row?.age ?? 0;
    if (age < MANY_IDS) return null;
    const judge = age < TOO_MANY_IDS ? warn : failed;
    return judge("transaction ids", texts.manyIds(Math.round(age / 1_000_000)), texts.manyIdsFix, { age });
  },
});

interface EncodingRow {
  readonly encoding: string;
}

export const ENCODING = databaseCheck<EncodingRow>({
  id: "encoding",
  question: "select current_setting('server_encoding') encoding",
  judge([row], { texts }) {
    const encoding = printable(row?.encoding ?? "", 40);
    if (encoding === "UTF8") return ok("encoding", encoding, { encoding });
    return warn("encoding", encoding, texts.encodingFix, { encoding });
  },
});
