/**
 * Runs before every route: headers for browsers (helmet), a rate limit for each address, the allowed host names, the origin of
 * the request, the bearer token, the declared type of a body. In this order, so that attempts with wrong tokens are limited as
 * well, and a refusal has the headers.
 *
 * Invariants:
 *  HTTP_GUARD-1. Health, metrics and version are never limited and answer under every host name: monitoring needs them most under
 *     load, and probes use names that no setting knows.
 *  HTTP_GUARD-2. With a token configured every /v1 route requires it, however its path is spelled; the comparison takes constant time.
 *  HTTP_GUARD-3. HOST-1, SITE-1 and MEDIA-1 of browser-guard.ts hold for every other route, unknown ones as well.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import helmet from "@fastify/helmet";
import rateLimit from "@fastify/rate-limit";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type ApiFault, sendFault } from "./api-error.ts";
import { AllowedHosts, crossSiteFault, isChange, isJsonType } from "./browser-guard.ts";

/** Decides which callers may use the API. */
export interface Gate {
  /** @returns why a request to a /v1 route is refused; null where it may pass */
  admit(request: FastifyRequest): ApiFault | null | Promise<ApiFault | null>;
}

export interface GuardOptions {
  readonly gate: Gate;
  /** Requests a second from one address; null: no limit. */
  readonly requestsPerSecond: number | null;
  /** Host names of the service, in addition to IP addresses and loopback names. */
  readonly allowedHosts: readonly string[];
  readonly refusals?: RefusalObserver | undefined;
}

export interface RefusalObserver {
  /** Takes each request to a /v1 route that was refused before its route. Never throws or rejects. */
  note(request: FastifyRequest, fault: ApiFault): unknown;
}

export const RATE_LIMITED = "ACKTOR_RATE_LIMITED";

/** Also open under every host name. */
const UNLIMITED: ReadonlySet<string> = new Set(["/livez", "/readyz", "/metrics", "/version"]);
const ADDRESSES = 10_000;

/** No answer is a page, except those of the console, whose routes set their own policy. */
const HELMET = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"], frameAncestors: ["'none'"] },
  },
  // A proxy in front terminates TLS; browsers ignore the header over plain HTTP.
  strictTransportSecurity: false,
  xFrameOptions: { action: "deny" },
} as const;

export function addGuard(app: FastifyInstance, options: GuardOptions): void {
  app.register(helmet, HELMET);
  app.register(rateLimit, { global: false, cache: ADDRESSES });
  // Fastify loads plugins at the start; a hook added before that would run before theirs.
  app.after(() => {
    if (options.requestsPerSecond !== null) limitRate(app, options.requestsPerSecond);
    addRefusals(app, options);
  });
  app.addHook("preValidation", async (request) => {
    // MEDIA-1: an empty body is an empty object.
    if (request.body === undefined && isChange(request.method)) request.body = {};
  });
}

function limitRate(app: FastifyInstance, max: number): void {
  const limit = app.rateLimit({
    max,
    timeWindow: 1_000,
    errorResponseBuilder() {
      const message = `more than ${max} requests a second came from this address`;
      return Object.assign(new Error(message), { statusCode: 429, code: RATE_LIMITED });
    },
  });
  app.addHook("onRequest", async function (request, reply) {
    // HTTP_GUARD-1
    if (!UNLIMITED.has(request.routeOptions.url ?? "")) await limit.call(this, request, reply);
  });
}

function addRefusals(app: FastifyInstance, { gate, allowedHosts, refusals }: GuardOptions): void {
  const hosts = new AllowedHosts(allowedHosts);
  app.addHook("onRequest", async (request, reply) => {
    // HTTP_GUARD-3: an unknown route has no URL here, and is guarded as well.
    const route = request.routeOptions.url;
    if (route !== undefined && UNLIMITED.has(route)) return;
    // HTTP_GUARD-2: the matched route, not the URL as sent: /%761/stats and http://host/v1/stats are /v1/stats as well.
    const isApi = (route ?? request.url).startsWith("/v1");
    // HTTP_GUARD-3
    const fault =
      originFault(request, hosts, isApi) ?? (isApi ? await gate.admit(request) : null) ?? typeFault(request);
    if (fault === null) return;
    if (fault.code === "unauthorized") reply.header("www-authenticate", "Bearer");
    if (isApi) refusals?.note(request, fault);
    return sendFault(reply, fault);
  });
}

/** HOST-1 and SITE-1. */
function originFault({ headers, method }: FastifyRequest, hosts: AllowedHosts, isApi: boolean): ApiFault | null {
  if (!hosts.has(headers.host)) {
    const message = `this service does not answer under the host name ${JSON.stringify((headers.host ?? "").slice(0, 100))}`;
    return { code: "host_not_allowed", field: "Host", message };
  }
  const change = isChange(method);
  const why = change || isApi ? crossSiteFault(headers, change) : null;
  return why === null ? null : { code: "cross_site", message: why };
}

/** MEDIA-1. An unknown path is answered with 404 instead. */
function typeFault({ headers, method, routeOptions }: FastifyRequest): ApiFault | null {
  if (!isChange(method) || routeOptions.url === undefined || isJsonType(headers["content-type"])) return null;
  return {
    code: "unsupported_media_type",
    field: "Content-Type",
    message: "the request does not declare Content-Type: application/json",
  };
}

/** One token for all routes. */
export class TokenGate implements Gate {
  readonly #wanted: Buffer | null;

  /** @param token null: every caller may pass */
  constructor(token: string | null) {
    this.#wanted = token === null ? null : digest(`Bearer ${token}`);
  }

  admit({ headers }: FastifyRequest): ApiFault | null {
    if (this.#wanted === null || timingSafeEqual(digest(headers.authorization ?? ""), this.#wanted)) return null;
    return { code: "unauthorized", message: "the bearer token is missing or wrong" };
  }
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
