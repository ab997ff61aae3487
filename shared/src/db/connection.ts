/**
 * One connection to PostgreSQL: an instance of the driver with `max: 1`. The only importer of `postgres`.
 *
 * Invariants:
 *  CONNECTION-1. A connection has one socket and ends with it: what belonged to its session or transaction runs nowhere else.
 *                The driver would open another one.
 *  CONNECTION-2. A destroyed connection sends nothing any more, also not a statement that was given up.
 *  CONNECTION-3. Behind a pooler in transaction mode nothing of the session remains: no prepared statement, no setting.
 *  CONNECTION-4. There a statement is sent with its `begin`, unasked. One that was answered although `begin` was refused
 *                committed alone: its failure is no answer of the server, so that it never runs again unseen.
 */
import type net from "node:net";
import postgres from "postgres";
import type { DatabaseHost, DatabaseTls } from "../runtime/database-url.ts";
import { SocketInMaking } from "./connect-socket.ts";
import { beginStatement, STARTUP_SETTINGS, settingStatement } from "./session-settings.ts";

/** Where and as who to connect. */
export interface ConnectionTarget {
  readonly host: DatabaseHost;
  readonly tls: DatabaseTls | null;
  /** PEM of the CA that signed the server's certificate; with it, the certificate is verified. */
  readonly ca: string | null;
  readonly user: string | null;
  readonly password: string | null;
  readonly database: string | null;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  readonly startupOptions: string | null;
  readonly timeoutMs: number;
}

/** What a parameter may be; arrays go through `pgArray`. Timestamps are ISO text. */
export type Param = string | number | boolean | null;

export interface Statement {
  readonly text: string;
  readonly params: readonly Param[];
  /** Text without parameters, several statements allowed. */
  readonly simple: boolean;
}

/** What a server says about itself at the login. */
export interface Greeting {
  /** The backend is not the one that the login named: a pooler is in between. */
  readonly isPooled: boolean;
  readonly isStandby: boolean;
  readonly isReadOnly: boolean;
  /** Process id of the backend. */
  readonly backend: number;
}

/** How the session's settings are made. */
export type Style = "session" | "transaction";

type Rows = readonly unknown[];
type Pending = Promise<Rows> & { readonly state: { readonly pid: number; readonly secret: number } | null };

// `transaction_read_only` is on for a standby as well. The first statement says everything, because each one costs a round trip.
const GREETING = `select pg_backend_pid() pid, pg_is_in_recovery() standby,
  current_setting('transaction_read_only') = 'on' readonly`;

const CANCEL_CODE = 80_877_102;
const CANCEL_LIMIT_MS = 1_000;
const CLOSE_LIMIT_S = 1;

export class Connection {
  readonly #target: ConnectionTarget;
  readonly #making: SocketInMaking;
  readonly #sql: postgres.Sql;
  #isLost = false;
  #style: Style = "session";
  #settings: Readonly<Record<string, string>> = {};
  /** statement_timeout of the session; 0: none. */
  #limitMs = 0;
  #backend: Pending["state"] = null;

  constructor(target: ConnectionTarget) {
    this.#target = target;
    this.#making = new SocketInMaking(target);
    this.#sql = postgres(driverOptions(target, () => this.#connect()));
  }

  /** True when its socket has ended. */
  get isLost(): boolean {
    return this.#isLost;
  }

  get style(): Style {
    return this.#style;
  }

  /** Logs in. Rejects with the error of the system, the driver or the server; the connection is then destroyed. */
  async open(): Promise<Greeting> {
    try {
      const asked = this.#send(GREETING, [], false);
      const [row] = (await asked) as readonly { pid: number; standby: boolean; readonly: boolean }[];
      this.#backend = asked.state;
      if (row === undefined) throw new Error("the server answered without a row");
      const isPooled = row.pid !== this.#backend?.pid;
      return { isPooled, isStandby: row.standby, isReadOnly: row.readonly, backend: row.pid };
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  /** Gives the session its settings, or keeps them for its transactions. */
  async settle(style: Style, settings: Readonly<Record<string, string>>): Promise<void> {
    this.#style = style;
    this.#settings = settings;
    if (style === "session") await this.#send(settingStatement(settings), [], false);
  }

  /**
   * Runs one statement; rejects with the driver's error.
   * @param limitMs the server ends the statement after this
   */
  run({ text, params, simple }: Statement, limitMs: number): Promise<Rows> {
    if (this.#isLost) return Promise.reject(new Error("the connection was lost"));
    if (this.#style === "session") {
      this.#limit(limitMs);
      return simple ? this.#sendText(text) : this.#send(text, params, true);
    }
    // CONNECTION-3. Text of several statements is a transaction already, and may be one that cannot run in another.
    return simple ? this.#sendText(text) : this.#wrapped(text, params, limitMs);
  }

  /** Begins a transaction, whose statements follow by `query`. */
  async begin(limitMs: number): Promise<void> {
    const settings = { ...this.#settings, statement_timeout: String(limitMs) };
    await this.query(beginStatement(this.#style === "session" ? { statement_timeout: String(limitMs) } : settings));
  }

  /** A statement of a transaction; several in one text where there are no parameters. */
  query(text: string, params: readonly Param[] = []): Promise<Rows> {
    if (this.#isLost) return Promise.reject(new Error("the connection was lost")); // CONNECTION-1
    if (params.length === 0) return this.#sendText(text);
    return this.#send(text, params, this.#style === "session");
  }

  /**
   * Asks the server to end the statement that runs, over a connection of its own, as libpq does: a pooler passes it on.
   * @returns whether the server took the request, within a second
   */
  async cancel(): Promise<boolean> {
    const backend = this.#backend;
    if (backend === null) return false;
    const making = new SocketInMaking({ ...this.#target, timeoutMs: CANCEL_LIMIT_MS });
    const timer = setTimeout(() => making.destroy(), CANCEL_LIMIT_MS);
    try {
      const socket = await making.connect();
      const taken = new Promise<boolean>((resolve) => {
        socket.once("end", () => resolve(true)).once("close", (hadError) => resolve(!hadError && socket.readableEnded));
        socket.resume();
      });
      const request = Buffer.alloc(16);
      for (const [at, word] of [16, CANCEL_CODE, backend.pid, backend.secret].entries())
        request.writeUInt32BE(word, 4 * at);
      socket.write(request);
      return await taken;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
      making.destroy();
    }
  }

  /** Ends it immediately; PostgreSQL rolls back what it did not commit. A second call has no effect. */
  destroy(): void {
    this.#isLost = true;
    this.#making.destroy();
    this.#sql.end({ timeout: 0 }).catch(() => "the connection is destroyed already");
  }

  /** Ends it after its last answer, within a second. */
  async close(): Promise<void> {
    await this.#sql.end({ timeout: CLOSE_LIMIT_S }).catch(() => "the connection is closed already");
    this.destroy();
  }

  #send(text: string, params: readonly Param[], prepare: boolean): Pending {
    // Without `simple` (which its types leave out) the driver would send a statement without parameters as text, to be
    // planned every time: 10 ms for a sweep over 36 days that finds nothing.
    const options = { prepare, simple: false };
    // The driver would begin when the result is awaited, which may be after the statement that follows.
    const query = this.#sql.unsafe(text, params as postgres.ParameterOrJSON<never>[], options).execute();
    return query as unknown as Pending;
  }

  /** Text of several statements gives the rows of the last one. */
  async #sendText(text: string): Promise<Rows> {
    const answer = (await this.#sql.unsafe(text).simple().execute()) as Rows & { readonly command?: string };
    return "command" in answer ? answer : ((answer as readonly Rows[]).at(-1) ?? []);
  }

  /** The driver sends it together with the statement that follows. */
  #limit(limitMs: number): void {
    if (limitMs === this.#limitMs) return;
    this.#limitMs = limitMs;
    this.#sendText(`set statement_timeout = ${limitMs}`).catch(() => "the statement that follows fails as well");
  }

  async #wrapped(text: string, params: readonly Param[], limitMs: number): Promise<Rows> {
    const begun = this.#sendText(beginStatement({ ...this.#settings, statement_timeout: String(limitMs) }));
    const answered = this.#send(text, params, false);
    const refusal = begun.then(
      () => null,
      (error: Error & { readonly severity?: string }) => error,
    );
    try {
      const rows = await answered;
      if ((await refusal) === null) {
        await this.#sendText("commit");
        return rows;
      }
    } catch (error) {
      await this.#sendText("rollback").catch(() => this.destroy());
      const refused = await refusal;
      throw refused === null || (refused.severity === "ERROR" && this.#isLost) ? error : refused;
    }
    throw this.#ranAlone();
  }

  /** CONNECTION-4 */
  #ranAlone(): Error {
    this.destroy();
    const error = new Error("the transaction was refused, and the statement may have run without it");
    return Object.assign(error, { code: "ABANDONED" });
  }

  async #connect(): Promise<net.Socket> {
    // CONNECTION-1, CONNECTION-2
    if (this.#isLost || this.#making.socket !== null) throw new Error("CONNECTION_DESTROYED");
    const socket = await this.#making.connect();
    socket.once("close", () => {
      this.#isLost = true;
    });
    return socket;
  }
}

type DriverOptions = postgres.Options<Record<string, postgres.PostgresType>>;

function driverOptions(target: ConnectionTarget, socket: () => Promise<net.Socket>): DriverOptions {
  const { host, user, password, database, applicationName, startupOptions, timeoutMs } = target;
  return {
    max: 1,
    host: [host.host],
    port: [host.port],
    ...(user === null ? {} : { user }),
    ...(password === null ? {} : { password }),
    ...(database === null ? {} : { database }),
    ssl: false,
    fetch_types: false,
    max_lifetime: 0,
    connect_timeout: timeoutMs / 1_000,
    onnotice() {},
    connection: {
      application_name: applicationName,
      ...STARTUP_SETTINGS,
      ...(startupOptions === null ? {} : { options: startupOptions }),
    },
    types: TYPES,
    socket,
  } as unknown as DriverOptions;
}

const TYPES = {
  // Microseconds survive only as text (the driver's Date has milliseconds).
  // Parameters reach the server as text, which it reads by their type. The driver's own serializers would quote JSON
  // that is text already, read the text 'true' as false, and throw in the socket's handler at invalid bytes.
  boolean: { to: 16, from: [16], serialize: String, parse: (text: string) => text === "t" },
  json: { to: 114, from: [114, 3802], serialize: String, parse: (text: string) => JSON.parse(text) as unknown },
  bytea: { to: 17, from: [17], serialize: String, parse: (text: string) => Buffer.from(text.slice(2), "hex") },
  timestamp: { to: 1184, from: [1082, 1114, 1184], serialize: String, parse: (text: string) => isoTime(text) },
};

/** `2026-11-23 22:30:48.123456+00` → `2026-11-23T22:30:48.123456Z`. */
function isoTime(text: string): string {
  return text.replace(" ", "T").replace(/\+00$/, "Z");
}
