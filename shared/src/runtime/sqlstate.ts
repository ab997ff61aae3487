/**
 * The meaning of an SQLSTATE for an operator: its remedy, and whether one row can be its cause.
 *
 * Invariants:
 *  SQLSTATE-1. Each failure has a remedy: by its code, else by its class, else the general one.
 *  SQLSTATE-2. A failure of rights, schema, configuration, locks, resources or the connection is never blamed on a row.
 *
 * Classes: PostgreSQL, appendix A. Codes that are not SQLSTATEs are the driver's and the pool's.
 */

const BY_CODE: Readonly<Record<string, string>> = {
  "22003":
    "A stored number is at the limit of its type. Look at the row named in the log; send the message again if it is still wanted.",
  "22008": "A stored time is outside the supported range. Correct the row, or discard it.",
  "22P05": "A stored text has a character that cannot be converted. Correct the row, or discard it.",
  "25006":
    "The database is read-only (a standby, or default_transaction_read_only). Set DATABASE_URL to the primary server.",
  "42P05":
    "A prepared statement exists already: a connection pooler is in between. Set ACKTOR_DATABASE_POOLER=transaction.",
  "42501": "The role of DATABASE_URL lacks a right. Run grants.sql as the owner of the schema.",
  "42P01": "A table is missing. Start once with ACKTOR_MIGRATE=on, with the owner's role.",
  "42883": "A function is missing. Start once with ACKTOR_MIGRATE=on, with the owner's role.",
  "3F000": "The schema is missing. Start once with ACKTOR_MIGRATE=on, with the owner's role.",
  "40001": "Transactions conflict. Set default_transaction_isolation of the role to 'read committed'.",
  "40P01":
    "A deadlock with another transaction. Enqueue to several ordering keys in one order, or in short transactions.",
  "53100": "The disk of PostgreSQL is full. Make room; acktor then continues automatically.",
  "53200": "PostgreSQL is out of memory. Give it more, or lower its settings.",
  "53300": "PostgreSQL has no free connection. Raise max_connections or the role's connection limit.",
  "55P03": "A lock is held by another session. Find it in pg_locks and pg_stat_activity, and end it.",
  "57014": "A statement was cancelled or took longer than statement_timeout. Look for locks and for load.",
  XX001:
    "Stored data is damaged. Check the disk and the memory, find the extent with pg_amcheck, and restore the damaged rows from a backup.",
  XX002: "An index is damaged. Rebuild it with REINDEX, and check the disk and the memory.",
  DEADLINE: "PostgreSQL did not answer in time. Look for locks and for load in pg_stat_activity.",
  NO_PRIMARY:
    "Every host of DATABASE_URL is a standby or read-only. Add the primary server to DATABASE_URL, or promote one of them.",
  POOLER_MODE: "The pooler in front of PostgreSQL is in transaction mode. Set ACKTOR_DATABASE_POOLER=transaction.",
  NO_TLS: "PostgreSQL offers no TLS. Switch it on there (ssl = on), or set sslmode=disable in DATABASE_URL.",
  QUEUE_FULL: "Too many statements wait for a connection. Look for slow statements in pg_stat_activity.",
  ECONNREFUSED: "PostgreSQL does not listen at the address of DATABASE_URL. Start it, or correct DATABASE_URL.",
};

const BY_CLASS: Readonly<Record<string, string>> = {
  "08": "The connection to PostgreSQL broke. Check the network and the server.",
  "22": "A stored value cannot be computed. Look at the row named in the log; correct it or discard it.",
  "23": "A constraint or a trigger refused the change. Look for constraints and triggers that acktor did not make.",
  "25": "The transaction is in a wrong state. Set the role's defaults back to those of PostgreSQL.",
  "26": "A prepared statement is unknown: a connection pooler is in between. Set ACKTOR_DATABASE_POOLER=transaction.",
  "28": "PostgreSQL refused the login. Correct the user or the password of DATABASE_URL.",
  "3D": "The database of DATABASE_URL does not exist. Create it, or correct DATABASE_URL.",
  "3F": "The schema is missing. Start once with ACKTOR_MIGRATE=on, with the owner's role.",
  "40": "Transactions conflict. acktor retries; look for long transactions on the tables of acktor.",
  "42": "The schema does not fit this version of acktor, or a right is missing. Migrate, then run grants.sql.",
  "53": "PostgreSQL lacks resources. Look at its disk, memory and connections.",
  "54": "A row or a statement is larger than PostgreSQL allows. Look at the row named in the log.",
  "55": "An object is locked or in use. Find the session in pg_stat_activity, and end it.",
  "57": "PostgreSQL is stopping, starting, or cancelled the statement. Wait, or read its log.",
  "58": "PostgreSQL met an error of its operating system. Read its log; check the disk.",
  P0: "A trigger or a function raised an error. Look for triggers that acktor did not make.",
  XX: "PostgreSQL met an internal error. Read its log; check the disk and the extensions.",
};

const GENERAL = "Read the logs of PostgreSQL and of this service at that time.";
const OF_A_ROLE = "A defect of acktor: the part restarts. Keep the log line with the stack and report it.";

/** An error of the operating system (58) may be one page of the disk. Rights, schema, login, transaction state, conflicts, resources, locks, stops, configuration, foreign servers. */
const NOT_OF_A_ROW = /^(03|08|0A|0B|0L|0P|24|25|26|27|28|2B|2D|34|3B|3D|3F|40|42|53|55|57|F0|HV)/;

/** Serialization failure, deadlock, aborted transaction, unknown prepared statement, cancelled statement, lock timeout, connection, resources, operator. */
const TRANSIENT = /^(40001|40P01|25P0[12]|26000|42P05|57014|55P03|08...|53...|57P0.)$/;

/** Conflicts, a cancelled statement, and sessions that are not what they should be. */
const AT_FIRST_ONLY = /^(40001|40P01|25P0[12]|26000|42P05|57014)$/;
/** The last ones mean that the session is not ours alone: a pooler shares it. */
const OF_THE_SESSION = /^(25P0[12]|26000|42P05)$/;

const SQLSTATE = /^[0-9A-Z]{5}$/;
const DRIVER_CODE = /^[A-Z][A-Z_]{1,31}$/;

/** Code of a role that threw, without a failure of the database. */
export const THREW = "EXCEPTION";

/** True for five characters that PostgreSQL may have sent. */
export function isSqlState(code: string): boolean {
  return SQLSTATE.test(code);
}

/** What an operator can do about a failure; one or two sentences. */
export function remedyOf(code: string): string {
  if (code === THREW) return OF_A_ROLE;
  const known = BY_CODE[code]; // SQLSTATE-1
  if (known !== undefined) return known;
  if (SQLSTATE.test(code)) return BY_CLASS[code.slice(0, 2)] ?? GENERAL;
  return DRIVER_CODE.test(code) ? (BY_CLASS["08"] ?? GENERAL) : GENERAL;
}

/** True when the same statement may succeed later: conflicts, cancelled statements, locks, lost prepared statements. */
export function isTransient(code: string): boolean {
  return TRANSIENT.test(code);
}

/** True when the same statement may succeed immediately, because nothing but its moment was wrong. */
export function mayWorkAgain(code: string): boolean {
  return AT_FIRST_ONLY.test(code);
}

/** True when the session is in a state in which no other statement should run. */
export function isOfTheSession(code: string): boolean {
  return OF_THE_SESSION.test(code);
}

/** True when a single row of a batch may be the cause, so that the others are worth trying without that row. */
export function mayBeOneRow({ code }: { readonly code: string }): boolean {
  return SQLSTATE.test(code) && !NOT_OF_A_ROW.test(code); // SQLSTATE-2
}
