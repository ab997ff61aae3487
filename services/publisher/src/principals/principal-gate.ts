/**
 * Admits requests to the publisher's API by their token.
 *
 * Invariants:
 *  PRINCIPAL_GATE-1. A request with an Authorization header is that of the principal whose token it carries, or it is refused;
 *    without one it is the local operator where no ACKTOR_API_TOKEN is configured (only loopback is listened on then), and
 *    refused elsewhere.
 *  PRINCIPAL_GATE-2. A token is hashed once for each request and looked up in a map. PostgreSQL is asked for unknown ones alone,
 *    which BOOK-2 bounds.
 *  PRINCIPAL_GATE-3. Before the table was read once, a token that is not ACKTOR_API_TOKEN is neither accepted nor called wrong.
 */
import { hash, timingSafeEqual } from "node:crypto";
import type { ApiFault } from "@acktor/shared/runtime/api-error";
import type { Gate } from "@acktor/shared/runtime/http-guard";
import type { FastifyRequest } from "fastify";
import { ACCESS } from "./access-table.ts";
import { LOCAL, OPERATOR, type Principal } from "./principal.ts";
import type { LongAnswer, PrincipalBook } from "./principal-book.ts";
import type { RequestRates } from "./request-rates.ts";

export interface PrincipalGateOptions {
  readonly book: PrincipalBook;
  readonly rates: RequestRates;
  /** ACKTOR_API_TOKEN. */
  readonly token: string | null;
}

const UNAUTHORIZED: ApiFault = { code: "unauthorized", message: "the bearer token is missing or wrong" };
const NOT_READ: ApiFault = {
  code: "database_unavailable",
  message: "tokens cannot be checked: PostgreSQL has not been reached since the service started",
  retryAfterSeconds: 2,
};
/** Longer than any token of acktor, shorter than a text that takes time to hash. */
const MOST_HEADER = 4_096;

export class PrincipalGate implements Gate {
  readonly #options: PrincipalGateOptions;
  readonly #operator: Buffer | null;

  constructor(options: PrincipalGateOptions) {
    this.#options = options;
    this.#operator = options.token === null ? null : sha256(options.token);
  }

  admit(request: FastifyRequest): ApiFault | null | Promise<ApiFault | null> {
    const { authorization } = request.headers;
    // PRINCIPAL_GATE-1
    if (authorization === undefined) return this.#operator === null ? this.#enter(request, LOCAL) : UNAUTHORIZED;
    if (authorization.length > MOST_HEADER || !/^bearer /i.test(authorization)) return UNAUTHORIZED;
    const digest = sha256(authorization.slice("bearer ".length));
    if (this.#operator !== null && timingSafeEqual(digest, this.#operator)) return this.#enter(request, OPERATOR);
    const tokenHash = digest.toString("hex");
    (request as Holder)[HASH] = tokenHash;
    // PRINCIPAL_GATE-2
    const known = this.#options.book.find(tokenHash);
    return known !== null ? this.#enter(request, known) : this.#lookUp(request, tokenHash);
  }

  /** Ends the answer once the token of a request is not in force any more (BOOK-4). @returns what ends the watch */
  watch(request: FastifyRequest, answer: LongAnswer): () => void {
    const tokenHash = (request as Holder)[HASH];
    return tokenHash === undefined ? () => undefined : this.#options.book.watch(tokenHash, answer);
  }

  async #lookUp(request: FastifyRequest, tokenHash: string): Promise<ApiFault | null> {
    const { book } = this.#options;
    const found = await book.lookUp(tokenHash);
    if (found !== null) return this.#enter(request, found);
    return book.isRead ? UNAUTHORIZED : NOT_READ; // PRINCIPAL_GATE-3
  }

  #enter(request: FastifyRequest, principal: Principal): ApiFault | null {
    hold(request, principal);
    if (!this.#options.rates.admit(principal)) {
      const { name, requestsPerSecond } = principal;
      const message = `more than ${requestsPerSecond} requests a second came with the token of ${name}`;
      return { code: "rate_limited", message, retryAfterSeconds: 1 };
    }
    const route = request.routeOptions.url;
    return route === undefined ? null : accessFault(request.method, route, principal);
  }
}

/** ACCESS-1, PRINCIPAL-1 */
function accessFault(method: string, route: string, { name, scopes, read }: Principal): ApiFault | null {
  const access = ACCESS[`${method === "HEAD" ? "GET" : method} ${route}`];
  if (access === undefined) return { code: "forbidden", message: "this route is not open to any token" };
  if (access.scope !== null && !scopes.has(access.scope)) {
    const fix = `An admin makes a token with this scope: acktor token create NAME --scope ${access.scope}`;
    return { code: "forbidden", message: `the token of ${name} lacks the scope ${access.scope}`, fix };
  }
  if (access.fleetWide !== true || read.all) return null;
  const message = `this shows every topic, and the token of ${name} may not read all of them`;
  return {
    code: "forbidden",
    message,
    fix: "An admin makes a token that may: acktor token create NAME --scope read --read '#'",
  };
}

function sha256(text: string): Buffer {
  return hash("sha256", text, "buffer");
}

const HELD = Symbol("principal");
/** Of a token that is not ACKTOR_API_TOKEN. */
const HASH = Symbol("hash of the token");

type Holder = FastifyRequest & { [HELD]?: Principal; [HASH]?: string };

/** Records the principal of a request. */
export function hold(request: FastifyRequest, principal: Principal): void {
  (request as Holder)[HELD] = principal;
}

/** The principal of a request; null where it was rejected before that was known. */
export function heldPrincipal(request: FastifyRequest): Principal | null {
  return (request as Holder)[HELD] ?? null;
}

/** The principal of a request. Throws where the route has no gate: without a principal nothing is permitted. */
export function principalOf(request: FastifyRequest): Principal {
  const principal = heldPrincipal(request);
  if (principal === null) throw new Error("no gate stands before this route");
  return principal;
}
