/**
 * Settings of acktor's sessions. None is a startup parameter but those that every pooler passes on: PgBouncer refuses a client
 * that sends another one. A direct connection and a pooler in session mode get them by one statement after the login, a pooler
 * in transaction mode by SET LOCAL in each transaction, so that other clients of the pooler never run under them.
 */

/** PgBouncer keeps these for each client. Text of dates and times is read by this program. */
export const STARTUP_SETTINGS = { TimeZone: "UTC", DateStyle: "ISO, MDY" } as const;

// PostgreSQL plans a prepared statement while a day's tables are empty, where a sequential scan is the cheapest, and keeps
// the plan while they fill: with 300,000 rows a claim took 900 ms instead of 15 and a settle 260 instead of 7. Every
// statement of ours has its index, in the order that it needs (a bitmap has none). The penalty would start JIT compilation.
const PLANNER = { enable_seqscan: "off", enable_bitmapscan: "off", jit: "off", enable_partition_pruning: "by version" };

/**
 * PostgreSQL 18 prunes through freed memory after a wait for a row: it crashes, or changes some of the rows only
 * (docs/adr/0015-no-partition-pruning.md). Older versions do not.
 */
const BY_VERSION = "case when current_setting('server_version_num')::int4 < 180000 then 'on' else 'off' end";

/** What the values of parameters and results are read by, and what a role or a database may have set to another value. */
const READING = {
  default_transaction_isolation: "read committed",
  bytea_output: "hex",
  extra_float_digits: "1",
  array_nulls: "on",
  lock_timeout: "0",
};

const IDLE_IN_TRANSACTION_MS = 10_000;

/** For statements of acktor. */
export const STATEMENT_SETTINGS: Readonly<Record<string, string>> = {
  ...READING,
  ...PLANNER,
  idle_in_transaction_session_timeout: String(IDLE_IN_TRANSACTION_MS),
};

/** For transactions of application code: the planner is its own. */
export const TRANSACTION_SETTINGS: Readonly<Record<string, string>> = {
  default_transaction_isolation: "read committed",
  idle_in_transaction_session_timeout: String(IDLE_IN_TRANSACTION_MS),
};

const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`;

const expressionOf = (name: string, value: string): string =>
  name === "enable_partition_pruning" ? BY_VERSION : quote(value);

/** One statement that sets all of them for the session. */
export function settingStatement(settings: Readonly<Record<string, string>>): string {
  const calls = Object.entries(settings).map(
    ([name, value]) => `set_config(${quote(name)}, ${expressionOf(name, value)}, false)`,
  );
  return `select ${calls.join(", ")}`;
}

/** Begins a transaction that runs under them. */
export function beginStatement(settings: Readonly<Record<string, string>>): string {
  const { default_transaction_isolation: isolation = "read committed", ...others } = settings;
  const calls = Object.entries(others).map(
    ([name, value]) => `set_config(${quote(name)}, ${expressionOf(name, value)}, true)`,
  );
  return `begin isolation level ${isolation}; select ${calls.join(", ")}`;
}
