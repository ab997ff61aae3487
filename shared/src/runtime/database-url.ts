/**
 * DATABASE_URL as providers, ORMs and psql write it: a URL or `keyword=value` text → where to connect, and how. Pure.
 *
 *   postgres[ql][+driver]://[user[:password]@]host[:port][,host[:port]…][/database][?parameters]     jdbc:postgresql://…
 *   host=db.example.com port=5432 dbname=app user=app password='a b'
 *
 * Invariants:
 *  DATABASE_URL-1. Every parameter has an effect, is known to need none, or is a fault that names it with its remedy.
 *  DATABASE_URL-2. No fault contains user, password or an unknown parameter's value. Reading never throws.
 *  DATABASE_URL-3. What protects the connection (TLS, channel binding, authentication) is obeyed or refused, never ignored.
 */
import { type Parameters, readText } from "./database-text.ts";

export interface DatabaseHost {
  /** Name, address (IPv6 without brackets), or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
}

export interface DatabaseTls {
  /** `prefer`: TLS where the server offers it. `require`: TLS, with any certificate. */
  readonly mode: "prefer" | "require" | "verify-ca" | "verify-full";
  /** TLS from the first byte, without asking the server first. */
  readonly direct: boolean;
  /** Files in PEM, read at each connect; `system` as `ca`: the CAs of the system. */
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly minVersion: "TLSv1.3" | null;
}

export interface DatabaseAddress {
  /** Tried in this order. */
  readonly hosts: readonly DatabaseHost[];
  /** Hosts in random order at each connect. */
  readonly random: boolean;
  /** `primary`: no standby. `read-write`: no standby, and no server whose sessions are read-only. */
  readonly target: "any" | "primary" | "read-write";
  readonly user: string | null;
  readonly password: string | null;
  readonly database: string | null;
  /** Null: not encrypted. */
  readonly tls: DatabaseTls | null;
  readonly connectTimeoutMs: number | null;
  readonly applicationName: string | null;
  /** Startup parameter for a provider's proxy (`endpoint=…`, `--cluster=…`). */
  readonly startupOptions: string | null;
  /** Session settings, as `search_path`. */
  readonly settings: Readonly<Record<string, string>>;
  /** The text says that a pooler in transaction mode is in between (`pgbouncer=true`). */
  readonly behindPooler: boolean;
  /** Connections at most. */
  readonly connections: number | null;
}

export type DatabaseUrlResult =
  | { readonly ok: true; readonly address: DatabaseAddress }
  /** Without the setting's name: `has …`. */
  | { readonly ok: false; readonly fault: string };

const DEFAULT_PORT = 5432;
/** A wait without an end would keep a service from trying the next host. */
const MOST_CONNECT_S = 60;
const MOST_HOSTS = 16;
const NUMBERS = [
  ["connect_timeout", 0, 3_600],
  ["connection_limit", 1, 100],
] as const;

export function parseDatabaseUrl(text: string): DatabaseUrlResult {
  const given = readText(text.trim());
  if (typeof given === "string") return { ok: false, fault: given };
  // DATABASE_URL-1
  const fault = hostsFault(given) ?? numberFault(given) ?? tlsFault(given);
  return fault === null ? { ok: true, address: toAddress(given) } : { ok: false, fault };
}

/** Of parameters without a fault. */
function toAddress(given: Parameters): DatabaseAddress {
  const hosts = hostsOf(given);
  const options = optionsOf(given.get("options") ?? "");
  const schema = given.get("schema");
  const target = given.get("target_session_attrs") ?? (hosts.length > 1 ? "read-write" : "any");
  return {
    hosts,
    random: given.get("load_balance_hosts") === "random",
    target: target as DatabaseAddress["target"],
    user: given.get("user") ?? null,
    password: given.get("password") ?? null,
    database: given.get("dbname") ?? null,
    tls: hosts.every(({ host }) => host.startsWith("/")) ? null : tlsOf(given),
    connectTimeoutMs: Math.min(MOST_CONNECT_S, Number(given.get("connect_timeout") ?? 0)) * 1_000 || null,
    applicationName: given.get("application_name") ?? null,
    startupOptions: options.startup,
    settings: { ...(schema === undefined ? {} : { search_path: quoteNames(schema) }), ...options.settings },
    behindPooler: given.get("pgbouncer") === "true",
    connections: Number(given.get("connection_limit")) || null,
  };
}

function hostsFault(given: Parameters): string | null {
  const [names, ports] = [namesOf(given), portsOf(given)];
  if (names.every((name) => name === "")) return "names no host";
  if (names.includes("")) return "names an empty host between its commas";
  if (names.length > MOST_HOSTS) return `names more than ${MOST_HOSTS} hosts`;
  if (ports.length > 1 && ports.length !== names.length) {
    return `names ${names.length} hosts and ${ports.length} ports: give one port, or one for each host`;
  }
  if (ports.some((port) => port !== "" && !isWhole(port, 1, 65_535))) {
    return "has a port that is not a whole number from 1 to 65535";
  }
  if (names.some((name) => !name.startsWith("/") && /[\s/?#@%<>|\\^]/.test(name))) {
    return "has a host with a character that no host name has: percent-encode / ? # @ % in user and password";
  }
  return null;
}

function namesOf(given: Parameters): string[] {
  return (given.get("hostaddr") ?? given.get("host") ?? "").split(",");
}

function portsOf(given: Parameters): string[] {
  return (given.get("port") ?? "").split(",");
}

function hostsOf(given: Parameters): DatabaseHost[] {
  const ports = portsOf(given);
  return namesOf(given).map((name, at) => ({
    host: name.replace(/^\[(.*)\]$/, "$1"),
    port: Number((ports.length === 1 ? ports[0] : ports[at]) || DEFAULT_PORT),
  }));
}

function numberFault(given: Parameters): string | null {
  for (const [name, least, most] of NUMBERS) {
    const text = given.get(name);
    if (text !== undefined && !isWhole(text, least, most)) {
      return `has a ${name} that is not a whole number from ${least} to ${most}`;
    }
  }
  return null;
}

function isWhole(text: string, least: number, most: number): boolean {
  return /^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most;
}

/** As libpq: a CA that is given is used. */
function modeOf(given: Parameters): string {
  const ca = given.get("sslrootcert");
  const mode = given.get("sslmode") ?? (ca === "system" ? "verify-full" : ca === undefined ? "disable" : "verify-ca");
  // Any public CA signs for anyone: without a CA of one's own only the name tells the server.
  if (mode === "verify-ca" && (ca === undefined || ca === "system")) return "verify-full";
  return mode === "require" && ca !== undefined ? "verify-ca" : mode;
}

/** DATABASE_URL-3 */
function tlsFault(given: Parameters): string | null {
  const mode = modeOf(given);
  if (given.get("channel_binding") === "require" && mode !== "verify-full") {
    return "asks for channel_binding=require, which acktor cannot do: have the certificate verified instead, with sslmode=verify-full&sslrootcert=system (or the provider's CA file), where channel_binding may stay";
  }
  if (given.get("sslrootcert") === "system" && mode !== "verify-full") {
    return "needs sslmode=verify-full with sslrootcert=system";
  }
  if (given.get("sslnegotiation") === "direct" && ["disable", "allow", "prefer"].includes(mode)) {
    return "needs sslmode=require or stronger with sslnegotiation=direct";
  }
  if (given.has("sslcert") !== given.has("sslkey")) return "needs sslcert and sslkey together";
  return null;
}

function tlsOf(given: Parameters): DatabaseTls | null {
  const mode = modeOf(given);
  if (mode === "disable" || mode === "allow") return null;
  const version = given.get("ssl_min_protocol_version");
  return {
    mode: mode as DatabaseTls["mode"],
    direct: given.get("sslnegotiation") === "direct",
    ca: given.get("sslrootcert") ?? null,
    cert: given.get("sslcert") ?? null,
    key: given.get("sslkey") ?? null,
    minVersion: version === "TLSv1.3" ? version : null,
  };
}

/** `-c name=value` pairs are settings; anything else is for the provider's proxy, and goes to the server as it is. */
function optionsOf(text: string): { startup: string | null; settings: Record<string, string> } {
  const words = text.match(/(?:\\.|[^\s\\])+/g) ?? [];
  const settings: Record<string, string> = {};
  const rest: string[] = [];
  for (let at = 0; at < words.length; at++) {
    let word = words[at] ?? "";
    if (word === "-c") word = `-c${words[++at] ?? ""}`;
    const pair = /^(?:-c|--)([A-Za-z_][\w.-]*)=(.*)$/s.exec(word);
    if (pair === null || pair[1] === "cluster") rest.push(word);
    else settings[(pair[1] ?? "").replaceAll("-", "_")] = (pair[2] ?? "").replace(/\\(.)/g, "$1");
  }
  return { startup: rest.length === 0 ? null : rest.join(" "), settings };
}

function quoteNames(list: string): string {
  const names = list.split(",").map((name) => name.trim().replaceAll('"', '""'));
  return names.map((name) => `"${name}"`).join(", ");
}
