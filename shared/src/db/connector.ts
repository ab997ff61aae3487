/**
 * Opens connections to one database: chooses the host, and how the session's settings are made.
 *
 * Invariants:
 *  CONNECTOR-1. Each host is tried once, within its timeout up to the settings of the session; one that failed is tried last
 *     the next time.
 *  CONNECTOR-2. With `primary` or `read-write` a server that cannot write is passed over.
 *  CONNECTOR-3. Behind a pooler nothing is left in a session that others may use: without ACKTOR_DATABASE_POOLER=session a
 *     pooler is taken for one in transaction mode.
 *  CONNECTOR-4. With that setting a pooler in transaction mode is found at the first connection.
 *  CONNECTOR-5. User, password and hosts are those of DATABASE_URL_FILE now; of the last readable one, while it is rewritten.
 */
import { SYSTEM_RANDOM } from "../runtime/clock.ts";
import { type DatabaseAddress, type DatabaseHost, parseDatabaseUrl } from "../runtime/database-url.ts";
import type { FreshText } from "../runtime/fresh-settings.ts";
import { Connection, type ConnectionTarget, type Greeting, type Style } from "./connection.ts";

/**
 * `auto`: a direct connection has a session; behind a pooler there are only transactions. `session`, `transaction`: the
 * pool_mode of the pooler.
 */
export type Pooler = "auto" | "session" | "transaction";

export interface ConnectionOptions {
  /** Text that `parseDatabaseUrl` reads; throws when it has a fault, so check it before. */
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** PEM of the CA that signed the server's certificate; with it, the certificate is verified. */
  readonly ca?: string | null;
  readonly pooler?: Pooler;
  /** Reads DATABASE_URL again for each connection, so that a new password in its file needs no restart. */
  readonly fresh?: FreshText<"DATABASE_URL"> | undefined;
}

/** The part of a configuration that names the database. */
export interface DatabaseConfig {
  readonly DATABASE_URL: string;
  readonly DATABASE_CA: string | null;
  readonly ACKTOR_DATABASE_POOLER: Pooler;
}

/** As a configuration says. */
export function connectionOptions(
  config: DatabaseConfig,
  applicationName: string,
  fresh?: FreshText<"DATABASE_URL">,
): ConnectionOptions {
  const { DATABASE_URL: url, DATABASE_CA: ca, ACKTOR_DATABASE_POOLER: pooler } = config;
  return { url, ca, pooler, applicationName, fresh };
}

/** Connections at most: of the setting, else of the URL's `connection_limit`. */
export function connectionsOf(
  config: {
    readonly DATABASE_URL: string;
    readonly ACKTOR_DATABASE_CONNECTIONS: number | null;
  },
  most: number,
): number {
  const { DATABASE_URL: url, ACKTOR_DATABASE_CONNECTIONS: configured } = config;
  const read = parseDatabaseUrl(url);
  return Math.max(2, configured ?? (read.ok ? read.address.connections : null) ?? most);
}

const TIMEOUT_MS = 2_000;
/** With several hosts, so that the second one is reached before a request has waited too long. */
const TIMEOUT_OF_MANY_MS = 1_000;

/** An expected failure of opening, with a code as errors of the system have. */
class OpenFailure extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export class Connector {
  readonly #options: ConnectionOptions;
  #url: string;
  #address: DatabaseAddress;
  readonly #settings: Readonly<Record<string, string>>;
  #hosts: readonly DatabaseHost[];
  /** Two sessions had a backend each. */
  #hasSessions = false;

  /** @param settings of each session, on top of those of the address */
  constructor(options: ConnectionOptions, settings: Readonly<Record<string, string>>) {
    const read = parseDatabaseUrl(options.url);
    if (!read.ok) throw new Error(`the URL of the database ${read.fault}`);
    this.#options = options;
    this.#url = options.url;
    this.#address = read.address;
    this.#settings = { ...read.address.settings, ...settings };
    this.#hosts = read.address.hosts;
  }

  /** Rejects with the failure of the last host. @param signal aborted: nothing is left open */
  async open(signal: AbortSignal): Promise<Connection> {
    this.#refresh();
    const address = this.#address;
    let failure: unknown = new OpenFailure("CONNECTION_DESTROYED", "stopped before it was open");
    for (const host of this.#order()) {
      if (signal.aborted) break;
      try {
        return await this.#openAt(address, host, signal);
      } catch (error) {
        failure = error;
        // CONNECTOR-1; CONNECTOR-5: the address may have changed in between.
        if (address === this.#address) this.#hosts = [...this.#hosts.filter((one) => one !== host), host];
      }
    }
    throw failure;
  }

  /** CONNECTOR-5 */
  #refresh(): void {
    const now = this.#options.fresh?.read("DATABASE_URL");
    if (now === undefined || !now.ok || now.value === null || now.value === this.#url) return;
    const read = parseDatabaseUrl(now.value);
    if (!read.ok) return;
    this.#url = now.value;
    this.#address = read.address;
    this.#hosts = read.address.hosts;
  }

  #order(): readonly DatabaseHost[] {
    if (!this.#address.random) return this.#hosts;
    const start = Math.floor(SYSTEM_RANDOM.next() * this.#hosts.length);
    return [...this.#hosts.slice(start), ...this.#hosts.slice(0, start)];
  }

  async #openAt(address: DatabaseAddress, host: DatabaseHost, signal: AbortSignal): Promise<Connection> {
    const { tls, user, password, database, startupOptions, connectTimeoutMs, hosts } = address;
    const timeoutMs = connectTimeoutMs ?? (hosts.length > 1 ? TIMEOUT_OF_MANY_MS : TIMEOUT_MS);
    const { applicationName, ca = null } = this.#options;
    const login = { user, password, database, applicationName, startupOptions };
    const target: ConnectionTarget = { host, tls, ca, timeoutMs, ...login };
    const connection = new Connection(target);
    // A pooler takes the login also when its server hangs.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), timeoutMs);
    const either = AbortSignal.any([signal, late.signal]);
    const abort = (): void => connection.destroy();
    either.addEventListener("abort", abort, { once: true });
    try {
      const greeting = await connection.open();
      this.#judge(address, host, greeting);
      const style = this.#styleOf(address, greeting);
      if (style === "session" && greeting.isPooled) await this.#checkSession(target, greeting, either);
      await connection.settle(style, this.#settings);
      return connection;
    } catch (error) {
      connection.destroy();
      if (!late.signal.aborted) throw error;
      throw new OpenFailure("CONNECT_TIMEOUT", `${host.host}:${host.port} did not answer in time`);
    } finally {
      clearTimeout(timer);
      either.removeEventListener("abort", abort);
    }
  }

  /** CONNECTOR-2 */
  #judge({ target }: DatabaseAddress, { host, port }: DatabaseHost, { isStandby, isReadOnly }: Greeting): void {
    const unfit = target === "read-write" ? isReadOnly : target === "primary" && isStandby;
    if (unfit) {
      const what = isStandby ? "is a standby" : "is read-only";
      throw new OpenFailure("NO_PRIMARY", `${host}:${port} ${what}, and no other host can be written to`);
    }
  }

  /** CONNECTOR-3 */
  #styleOf({ behindPooler }: DatabaseAddress, { isPooled }: Greeting): Style {
    const { pooler = "auto" } = this.#options;
    if (pooler === "auto") return isPooled || behindPooler ? "transaction" : "session";
    return pooler;
  }

  /** CONNECTOR-4: a pooler in transaction mode gives the idle backend of the first session to the second one. */
  async #checkSession(target: ConnectionTarget, first: Greeting, signal: AbortSignal): Promise<void> {
    if (this.#hasSessions) return;
    const second = new Connection(target);
    const abort = (): void => second.destroy();
    signal.addEventListener("abort", abort, { once: true });
    const seen = await second.open().catch(() => null);
    signal.removeEventListener("abort", abort);
    second.destroy();
    if (seen?.backend === first.backend) {
      throw new OpenFailure(
        "POOLER_MODE",
        "the pooler gives one backend to two sessions: it is in transaction mode, so set ACKTOR_DATABASE_POOLER=transaction",
      );
    }
    // One that was refused says nothing: the next connection asks again.
    if (seen !== null) this.#hasSessions = true;
  }
}
