/**
 * One connection to PostgreSQL: an instance of the driver with `max: 1`. The only importer of `postgres`.
 *
 * Invariants:
 *  CONNECTION-1. A destroyed connection opens no socket any more, also not for a statement that was given up: the driver
 *                connects late.
 *  CONNECTION-2. A connection that is opened `once` ends with its first socket: the driver's next one would know nothing of
 *                a transaction.
 */
import net from "node:net";
import postgres from "postgres";

export interface ConnectionOptions {
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** PEM of the CA that signed the server's certificate; with it, the certificate is verified. */
  readonly ca?: string | null;
}

/** What a parameter may be; arrays go through `pgArray`. Timestamps are ISO text. */
export type Param = string | number | boolean | null;

export interface Statement {
  readonly text: string;
  readonly params: readonly Param[];
  readonly simple: boolean;
}

/** Only pool.ts and fenced-transaction.ts use one. */
export interface Connection {
  readonly sql: postgres.Sql;
  readonly line: Line;
}

/** The socket of a connection. */
interface Line {
  socket: net.Socket | null;
  /** Written by `destroyConnection`, and by the end of the first socket of a connection that is opened `once`. */
  destroyed: boolean;
  readonly once: boolean;
}

const CONNECT_TIMEOUT_MS = 2_000;

// PostgreSQL plans a prepared statement while a day's tables are empty, where a sequential scan is the cheapest, and keeps
// the plan while they fill: with 300,000 rows a claim took 900 ms instead of 15 and a settle 260 instead of 7. Every
// statement of ours has its index, in the order that it needs (a bitmap has none). The penalty would start JIT compilation.
// Pruning is off because PostgreSQL 18.4 crashed in perform_pruning_base_step, five times in an hour of faults
// (docs/adr/0015-no-partition-pruning.md).
const PLANNER = { enable_seqscan: "off", enable_bitmapscan: "off", jit: "off", enable_partition_pruning: "off" };

/** @param once the connection is never reopened: after its end every statement fails. CONNECTION-2 */
export function openConnection(options: ConnectionOptions, once: boolean): Connection {
  const line: Line = { socket: null, destroyed: false, once };
  const sql = postgres(options.url, {
    max: 1,
    fetch_types: false,
    connect_timeout: CONNECT_TIMEOUT_MS / 1_000,
    ...(options.ca ? { ssl: verifiedTls(options.ca, options.url) } : {}),
    onnotice() {},
    connection: {
      application_name: options.applicationName,
      TimeZone: "UTC",
      // The server ends a statement a little after we do, so that none of ours continues unseen.
      statement_timeout: 60_000,
      idle_in_transaction_session_timeout: 10_000,
      ...(once ? {} : PLANNER),
    },
    types: {
      // Microseconds survive only as text (the driver's Date has milliseconds).
      // Parameters reach the server as text, which it reads by their type. The driver's own serializers would quote JSON
      // that is text already, read the text 'true' as false, and throw in the socket's handler at invalid bytes.
      boolean: { to: 16, from: [16], serialize: String, parse: (text: string) => text === "t" },
      json: { to: 114, from: [114, 3802], serialize: String, parse: (text: string) => JSON.parse(text) as unknown },
      bytea: { to: 17, from: [17], serialize: String, parse: (text: string) => Buffer.from(text.slice(2), "hex") },
      timestamp: { to: 1184, from: [1082, 1114, 1184], serialize: String, parse: (text: string) => isoTime(text) },
    },
    socket(target: Target) {
      return connectSocket(line, target);
    },
  } as postgres.Options<Record<string, postgres.PostgresType>>);
  return { sql, line };
}

/**
 * TLS that verifies the server's certificate and name. The driver gives Node the name only; for an address in the
 * certificate Node would look for `localhost`.
 */
function verifiedTls(ca: string, url: string): { ca: string; rejectUnauthorized: true; host?: string } {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  return { ca, rejectUnauthorized: true, ...(net.isIP(host) === 0 ? {} : { host }) };
}

interface Target {
  readonly host: string[];
  readonly port: number[];
  readonly path?: string | false;
}

/** Our own socket, because the driver leaves Nagle's algorithm on and cannot destroy a half-open connection. */
function connectSocket(line: Line, target: Target): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    // CONNECTION-1
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

// Without `simple` (which its types leave out) the driver would send a statement without parameters as text, to be planned
// every time: 10 ms for a sweep over 36 days that finds nothing.
const PREPARED = { prepare: true, simple: false };

/** Sends one statement, and rejects with the driver's error. `simple`: text without parameters, several statements allowed. */
export function send({ sql }: Connection, { text, params, simple }: Statement): Promise<readonly unknown[]> {
  if (simple) return sql.unsafe(text).simple();
  return sql.unsafe(text, params as postgres.ParameterOrJSON<never>[], PREPARED);
}

/** Ends it immediately; PostgreSQL rolls back what it did not commit. A second call has no effect. */
export function destroyConnection(connection: Connection): void {
  connection.line.destroyed = true;
  connection.line.socket?.destroy();
  connection.sql.end({ timeout: 0 }).catch(() => "the connection is destroyed already");
}

/** Ends it after its last answer, within a second. */
export async function closeConnection({ sql }: Connection): Promise<void> {
  await sql.end({ timeout: 1 }).catch(() => "the connection is closed already");
}

/** `2026-11-23 22:30:48.123456+00` → `2026-11-23T22:30:48.123456Z`. */
function isoTime(text: string): string {
  return text.replace(" ", "T").replace(/\+00$/, "Z");
}
