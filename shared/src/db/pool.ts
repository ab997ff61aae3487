/**
 * The only door to PostgreSQL, and the only importer of the driver.
 *
 * Invariants:
 *  1. A unit of work is one statement; there is no transaction API (driver transactions can cross callers when a
 *     backend dies: porsager/postgres #1133, #1155, #1208).
 *  2. Every statement ends: with rows, or with a failure of a kind, at most `deadlineMs` after `run` was called.
 *     A connection whose statement missed its deadline is destroyed, never reused (#1089), also while it is being made.
 *  3. At most `queueLimit` statements wait; the next is refused at once with `busy`.
 *  4. Nothing here throws or rejects for what a database can do.
 */
import net from "node:net";
import postgres from "postgres";
import type { DbFailure, DbResult } from "../runtime/db-result.ts";

export type { DbFailure, DbResult };

/** What a parameter may be; arrays go through `pgArray`. Timestamps are ISO text. */
export type Param = string | number | boolean | null;

export interface Pool {
  /**
   * Runs one statement.
   * @param text SQL with $1, $2 …; prepared once per connection
   * @param options `deadlineMs` shortens the pool's; `simple` sends text without parameters, several statements allowed
   */
  run<Row>(text: string, params?: readonly Param[], options?: RunOptions): Promise<DbResult<Row>>;
  /** Connections at most. */
  readonly size: number;
  /** Connections that a statement runs on. */
  busy(): number;
  /** Statements waiting for a connection. */
  waiting(): number;
  /** Lets running statements end (at most their deadline), refuses new ones, closes every connection. Twice is fine. */
  stop(): Promise<void>;
}

export interface RunOptions {
  readonly deadlineMs?: number;
  readonly simple?: boolean;
}

export interface PoolOptions {
  readonly url: string;
  /** Connections, opened when needed. */
  readonly size?: number;
  readonly deadlineMs?: number;
  readonly queueLimit?: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** PEM of the CA that signed the server's certificate; with it, the certificate is verified. */
  readonly ca?: string | null;
}

interface Job {
  readonly text: string;
  readonly params: readonly Param[];
  readonly simple: boolean;
  /** Called once, when the deadline passes: while it waits, or while it runs. */
  onDeadline: () => void;
  readonly settle: (result: DbResult<unknown>) => void;
}

/** Place of one connection, which is replaced after any doubt. */
interface Slot {
  connection: Connection | null;
  busy: boolean;
}

/** An instance of the driver with `max: 1`. Only `fenced-transaction.ts` uses one beside this file. */
export interface Connection {
  readonly sql: postgres.Sql;
  readonly line: Line;
}

/** Its socket. Once `destroyed`, none is opened any more: the driver connects late, also for a statement given up. */
interface Line {
  socket: net.Socket | null;
  destroyed: boolean;
  /** Its first socket is its last: what the driver would make anew knows nothing of a transaction. */
  readonly once: boolean;
}

const CONNECT_TIMEOUT_MS = 2_000;

/** Makes a pool. Nothing connects before the first statement. */
export function createPool(options: PoolOptions): Pool {
  const { size = 5, deadlineMs = 3_000, queueLimit = 200 } = options;
  const slots: Slot[] = Array.from({ length: size }, () => ({ connection: null, busy: false }));
  const queue: Job[] = [];
  let stopped = false;
  const onIdle: (() => void)[] = [];

  function take(): void {
    for (const slot of slots) {
      if (slot.busy) continue;
      const job = queue.shift();
      if (job === undefined) break;
      slot.busy = true;
      void execute(slot, job, options).then((result) => {
        slot.busy = false;
        job.settle(result);
        take();
      });
    }
    if (slots.every((slot) => !slot.busy)) for (const done of onIdle.splice(0)) done();
  }

  return {
    run<Row>(text: string, params: readonly Param[] = [], run: RunOptions = {}): Promise<DbResult<Row>> {
      if (stopped) return Promise.resolve(failed("unavailable", "STOPPED", "the pool is stopped", false));
      if (queue.length >= queueLimit) {
        return Promise.resolve(failed("busy", "QUEUE_FULL", `${queueLimit} statements wait already`, false));
      }
      return new Promise((resolve) => {
        const timer = setTimeout(() => job.onDeadline(), run.deadlineMs ?? deadlineMs);
        const settle = (result: DbResult<unknown>): void => {
          clearTimeout(timer);
          resolve(result as DbResult<Row>);
        };
        const job: Job = {
          text,
          params,
          simple: run.simple ?? false,
          settle,
          onDeadline: () => giveUpWaiting(queue, job),
        };
        queue.push(job);
        take();
      });
    },
    size,
    busy: () => slots.filter((slot) => slot.busy).length,
    waiting: () => queue.length,
    async stop(): Promise<void> {
      stopped = true;
      for (const job of queue.splice(0)) job.settle(failed("unavailable", "STOPPED", "the pool is stopped", false));
      if (slots.some((slot) => slot.busy)) await new Promise<void>((resolve) => onIdle.push(resolve));
      await Promise.all(slots.map((slot) => close(slot)));
    },
  };
}

function giveUpWaiting(queue: Job[], job: Job): void {
  const at = queue.indexOf(job);
  if (at >= 0) queue.splice(at, 1);
  job.settle(failed("unavailable", "DEADLINE", "no connection became free in time", false));
}

// Without `simple` (which its types leave out) the driver would send a statement without parameters as text, to be planned
// anew each time: 10 ms for a sweep over 36 days that finds nothing.
const PREPARED = { prepare: true, simple: false };

async function execute(slot: Slot, job: Job, options: PoolOptions): Promise<DbResult<unknown>> {
  slot.connection ??= openConnection(options, false);
  const { sql } = slot.connection;
  const overdue = new Promise<"overdue">((resolve) => {
    job.onDeadline = () => resolve("overdue");
  });
  try {
    const query = job.simple
      ? sql.unsafe(job.text).simple()
      : sql.unsafe(job.text, job.params as postgres.ParameterOrJSON<never>[], PREPARED);
    const answer = await Promise.race([query, overdue]);
    if (answer !== "overdue") return { ok: true, rows: answer as unknown as readonly unknown[] };
    query.catch(() => "its connection is destroyed below; the caller has its answer");
    discard(slot);
    return failed("unavailable", "DEADLINE", "the statement took longer than its deadline", true);
  } catch (error) {
    return explain(slot, error);
  }
}

function explain(slot: Slot, error: unknown): DbResult<never> {
  const { code = "UNKNOWN", message, severity } = error as Error & { code?: string; severity?: string };
  const fromServer = severity !== undefined && /^[0-9A-Z]{5}$/.test(code);
  // 57P: the server is going away; 53: out of disk, memory or connections; 58: I/O error; 08: connection exceptions;
  // 25006: a standby. All of them pass, and none is the statement's fault.
  const gone = !fromServer || /^(57P|53|58|08|25006)/.test(code) || severity === "FATAL" || severity === "PANIC";
  if (gone) {
    discard(slot);
    return failed("unavailable", code, message, true);
  }
  const constraint = (error as { constraint_name?: string }).constraint_name ?? null;
  return { ok: false, failure: { kind: "rejected", code, message, constraint, maybeCommitted: false } };
}

// Prepared plans are made while a day's tables are empty, where reading them whole is the cheapest, and are kept while
// they fill: with 300,000 rows that made a claim 900 ms instead of 15 and a settle 260 instead of 7. Every statement of
// ours has its index, in the order it wants (a bitmap has none). The penalty would look dear enough to compile for.
// Pruning is off because PostgreSQL 18.4 died of it, in perform_pruning_base_step, five times in an hour of faults
// (docs/adr/0015-no-partition-pruning.md).
const PLANNER = { enable_seqscan: "off", enable_bitmapscan: "off", jit: "off", enable_partition_pruning: "off" };

/** @param once the connection is never made anew: after its end every statement fails */
export function openConnection(
  options: Pick<PoolOptions, "url" | "ca" | "applicationName">,
  once: boolean,
): Connection {
  const line: Line = { socket: null, destroyed: false, once };
  const sql = postgres(options.url, {
    max: 1,
    fetch_types: false,
    connect_timeout: CONNECT_TIMEOUT_MS / 1_000,
    ...(options.ca ? { ssl: verifiedTls(options.ca, options.url) } : {}),
    onnotice: () => undefined,
    connection: {
      application_name: options.applicationName,
      TimeZone: "UTC",
      // The server gives up a little after us, so that nothing of ours runs on unseen.
      statement_timeout: 60_000,
      idle_in_transaction_session_timeout: 10_000,
      ...(once ? {} : PLANNER),
    },
    types: {
      // Microseconds survive only as text (the driver's Date has milliseconds).
      // Parameters reach the server as text that it reads by their type. The driver's own serializers would quote JSON that is
      // text already, take the text 'true' for false, and throw in the socket's handler at bytes that are none.
      boolean: { to: 16, from: [16], serialize: String, parse: (text: string) => text === "t" },
      json: { to: 114, from: [114, 3802], serialize: String, parse: (text: string) => JSON.parse(text) as unknown },
      bytea: { to: 17, from: [17], serialize: String, parse: (text: string) => Buffer.from(text.slice(2), "hex") },
      timestamp: { to: 1184, from: [1082, 1114, 1184], serialize: String, parse: (text: string) => isoTime(text) },
    },
    socket: (target: { host: string[]; port: number[]; path?: string | false }) => connectSocket(line, target),
  } as postgres.Options<Record<string, postgres.PostgresType>>);
  return { sql, line };
}

/**
 * TLS that proves who answers: certificate and name. The driver tells Node the name alone; for an address that stands in
 * the certificate as such, Node would look for `localhost`.
 */
function verifiedTls(ca: string, url: string): { ca: string; rejectUnauthorized: true; host?: string } {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  return { ca, rejectUnauthorized: true, ...(net.isIP(host) === 0 ? {} : { host }) };
}

/** Own socket, because the driver leaves Nagle's algorithm on and cannot destroy a half-open connection. */
function connectSocket(
  line: Line,
  target: { host: string[]; port: number[]; path?: string | false },
): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    if (line.destroyed) {
      reject(new Error("CONNECTION_DESTROYED"));
      return;
    }
    const where = target.path
      ? { path: target.path }
      : { host: target.host[0] ?? "localhost", port: target.port[0] ?? 5432 };
    const socket = Object.assign(net.connect(where), { host: target.host[0] });
    line.socket = socket;
    socket.setNoDelay(true);
    const timer = setTimeout(() => socket.destroy(new Error("CONNECT_TIMEOUT")), CONNECT_TIMEOUT_MS);
    const give = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once("error", give);
    socket.once("close", () => give(new Error("CONNECTION_DESTROYED")));
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners();
      if (line.once) {
        socket.once("close", () => {
          line.destroyed = true;
        });
      }
      resolve(socket);
    });
  });
}

function discard(slot: Slot): void {
  const { connection } = slot;
  slot.connection = null;
  if (connection !== null) destroyConnection(connection);
}

/** Ends it at once; whatever it did not commit is rolled back. Twice is fine. */
export function destroyConnection(connection: Connection): void {
  connection.line.destroyed = true;
  connection.line.socket?.destroy();
  connection.sql.end({ timeout: 0 }).catch(() => "nobody waits for a connection that is thrown away");
}

async function close(slot: Slot): Promise<void> {
  const { connection } = slot;
  slot.connection = null;
  await connection?.sql.end({ timeout: 1 }).catch(() => "already gone");
}

function failed(kind: DbFailure["kind"], code: string, message: string, maybeCommitted: boolean): DbResult<never> {
  return { ok: false, failure: { kind, code, message, maybeCommitted, constraint: null } };
}

/** `2026-11-23 22:30:48.123456+00` → `2026-11-23T22:30:48.123456Z`. */
function isoTime(text: string): string {
  return text.replace(" ", "T").replace(/\+00$/, "Z");
}

/** A PostgreSQL array literal for `$n::type[]`; null stays null. Values are texts, numbers and booleans. */
export function pgArray(values: readonly Param[]): string {
  let out = "{";
  for (let i = 0; i < values.length; i++) {
    if (i > 0) out += ",";
    const value = values[i];
    if (value === null || value === undefined) out += "NULL";
    else if (typeof value === "string") out += quote(value);
    else out += String(value);
  }
  return `${out}}`;
}

const NEEDS_ESCAPE = /["\\]/;

function quote(value: string): string {
  return NEEDS_ESCAPE.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : `"${value}"`;
}
