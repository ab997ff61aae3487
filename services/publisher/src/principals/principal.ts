/**
 * The caller of a request, and what it may do.
 *
 * Invariants:
 *  PRINCIPAL-1. A principal may do what its scopes name and nothing else; `admin` includes the other three.
 *  PRINCIPAL-2. Names of principals in the table never equal a name that acktor gives itself (`RESERVED_NAMES`), nor can
 *    they be confused with a sender of SQL (`sql:<role>`): they hold no colon.
 */
import { EVERY_TOPIC, type TopicFilters } from "./topic-filters.ts";

export const SCOPES = ["send", "read", "operate", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

export interface Principal {
  readonly name: string;
  /** Effective: all four for an admin. */
  readonly scopes: ReadonlySet<Scope>;
  readonly write: TopicFilters;
  readonly read: TopicFilters;
  readonly requestsPerSecond: number | null;
  readonly mostWaiting: number | null;
  /** ISO 8601. */
  readonly expiresAt: string | null;
  /** False: a caller on the loopback address, where no token is configured. */
  readonly authenticated: boolean;
  /** Of its idempotency keys; '' is shared with SQL and NATS. */
  readonly keyOwner: string;
  /** Recorded with its messages; null where nothing is recorded. */
  readonly sender: string | null;
}

/** PRINCIPAL-2: names that no row of the table may have. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set(["local", "operator", "bus", "http", "anonymous"]);

const UNRESTRICTED = {
  scopes: new Set(SCOPES),
  write: EVERY_TOPIC,
  read: EVERY_TOPIC,
  requestsPerSecond: null,
  mostWaiting: null,
  expiresAt: null,
  keyOwner: "",
  sender: null,
} as const;

/** A request without a token on the loopback address, where none is configured. */
export const LOCAL: Principal = { name: "local", authenticated: false, ...UNRESTRICTED };

/** The holder of ACKTOR_API_TOKEN. */
export const OPERATOR: Principal = { name: "operator", authenticated: true, ...UNRESTRICTED };

/** PRINCIPAL-1: with the scopes that `admin` includes. */
export function effectiveScopes(scopes: readonly Scope[]): ReadonlySet<Scope> {
  return new Set(scopes.includes("admin") ? SCOPES : SCOPES.filter((scope) => scopes.includes(scope)));
}
