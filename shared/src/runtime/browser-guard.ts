/**
 * Detects requests that a web page of another site may have caused.
 *
 * Invariants:
 *  HOST-1. A request whose Host is neither an IP address, nor a loopback name, nor configured is refused. A page whose name
 *     resolves to this address (DNS rebinding) sends its own name.
 *  SITE-1. A request that changes something is refused when its Origin is not this service, or when the browser reports that
 *     another site or a sibling site caused it. Reads of the API are refused when another site caused them.
 *  MEDIA-1. A request that changes something must declare application/json, even without a body: a page of another site cannot send
 *     that without a preflight, and no preflight is permitted.
 */
import { isIP } from "node:net";

/** Host names of a service, in addition to IP addresses and loopback names. */
export class AllowedHosts {
  readonly #names: ReadonlySet<string>;
  /** The header that was allowed last: most callers use one. */
  #last: string | null = null;

  /** @param names host names without a port */
  constructor(names: readonly string[]) {
    this.#names = new Set(names.map(plain));
  }

  /** @param host the header, with or without a port; undefined where HTTP/1.0 sent none, which no browser does */
  has(host: string | undefined): boolean {
    if (host === undefined || host === this.#last) return true;
    const name = splitHost(host)?.name;
    const allowed = name !== undefined && (name === "localhost" || isIP(name) !== 0 || this.#names.has(name));
    if (allowed) this.#last = host;
    return allowed;
  }
}

const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a method may change something. */
export function isChange(method: string): boolean {
  return !SAFE.has(method);
}

/** The headers that are read here. */
export interface SiteHeaders {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly [header: string]: string | readonly string[] | undefined;
}

/**
 * Returns why a request is refused as one of another site.
 * @param change the request may change something; otherwise it reads the API
 * @returns null for an allowed request: programs other than browsers send none of these headers
 */
export function crossSiteFault(headers: SiteHeaders, change: boolean): string | null {
  const site = headers["sec-fetch-site"];
  if (site === "cross-site" || (change && site === "same-site"))
    return `a page of another site sent the request (Sec-Fetch-Site: ${site})`;
  if (headers.origin === undefined || isOwnOrigin(headers)) return null;
  return "a page of another origin sent the request (Origin)";
}

/**
 * An origin is scheme, host and port. Behind a proxy that ends TLS the scheme is the proxy's: accepted where the proxy or
 * the browser itself reports it; a page can set neither header.
 */
function isOwnOrigin(headers: SiteHeaders): boolean {
  const { origin = "", host = "" } = headers;
  const asked = splitHost(host);
  if (asked === null || !URL.canParse(origin)) return false;
  const { protocol, hostname, port } = new URL(origin);
  const standard = protocol === "https:" ? "443" : "80";
  if (plain(hostname) !== asked.name || (port || standard) !== (asked.port ?? standard)) return false;
  if (protocol === "http:") return true;
  return (
    protocol === "https:" && (headers["sec-fetch-site"] === "same-origin" || headers["x-forwarded-proto"] === "https")
  );
}

/** MEDIA-1: whether a body is declared as JSON. */
export function isJsonType(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/json\s*(;|$)/i.test(contentType);
}

/** The fault of an item of ACKTOR_ALLOWED_HOSTS, or null. */
export function hostNameFault(name: string): string | null {
  if (/:\d+$/.test(name)) return "names a port; name the host alone";
  return /^[a-z0-9_]([a-z0-9._-]{0,252}[a-z0-9_])?\.?$/i.test(name) ? null : "is not a host name";
}

/** `name:port` in parts; the name in lower case, without brackets and without a dot at its end. */
function splitHost(host: string): { readonly name: string; readonly port: string | null } | null {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]/@\s]+)(?::(\d{1,5}))?$/i.exec(host);
  return match === null ? null : { name: plain(match[1] ?? ""), port: match[2] ?? null };
}

function plain(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
}
