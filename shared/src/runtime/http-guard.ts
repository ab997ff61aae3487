/**
 * What stands before every route: headers for browsers (helmet), a limit of requests for each address, the names under which
 * the service may be asked, where the request comes from, the bearer token, the declared type of a body.
 * In this order, so that knocking with wrong tokens is limited too, and a refusal carries the headers.
 *
 * Invariants:
 *  1. Health, metrics and version are never limited, and answer under every name: who watches must see most when there is
 *     most to see, and probes use names that no setting knows.
 *  2. With a token configured every /v1 route wants it, however its path is spelled; compared in constant time.
 *  3. Addresses are counted in a cache of bounded size.
 *  4. HOST-1, SITE-1 and JSON-1 of browser-guard.ts hold for every other route, unknown ones too.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import helmet from "@fastify/helmet";
import rateLimit from "@fastify/rate-limit";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ApiFault } from "./api-error.ts";
import { AllowedHosts, crossSiteFault, isChange, isJsonType } from "./browser-guard.ts";

/** Decides who may use the API. */
export interface Gate {
  /** Why the request to a /v1 route is refused; null where it may pass. */
  admit(request: FastifyRequest): ApiFault | null | Promise<ApiFault | null>;
}

export interface GuardOptions {
  readonly gate: Gate;
  /** Requests a second from one address; null: no limit. */
  readonly requestsPerSecond: number | null;
  /** Names under which the service may be asked for, in addition to IP addresses and loopback names. */
  readonly allowedHosts: readonly string[];
  /** Takes each request to a /v1 route that was refused here, and why. */
  readonly onRefused?: ((request: FastifyRequest, fault: ApiFault) => void) | undefined;
  readonly sendFault: (reply: FastifyReply, fault: ApiFault) => FastifyReply;
}

export const RATE_LIMITED = "ACKTOR_RATE_LIMITED";

/** Also open under every host name. */
const UNLIMITED: ReadonlySet<string> = new Set(["/livez", "/readyz", "/metrics", "/version"]);
const ADDRESSES = 10_000;

/** No answer of ours is a page, except where its route says so itself (the console), so nothing may be loaded from it. */
const HELMET = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"], frameAncestors: ["'none'"] },
  },
  // TLS is ended by whoever stands in front; a browser ignores it over plain HTTP.
  strictTransportSecurity: false,
  xFrameOptions: { action: "deny" },
} as const;

export function addGuard(app: FastifyInstance, options: GuardOptions): void {
  app.register(helmet, HELMET);
  app.register(rateLimit, { global: false, cache: ADDRESSES });
  // Plugins are loaded at the start, and a hook that is added before them would run before theirs.
  app.after(() => {
    if (options.requestsPerSecond !== null) limitRate(app, options.requestsPerSecond);
    refuse(app, options);
  });
  app.addHook("preValidation", async (request) => {
    // JSON-1: an empty body is an empty object.
    if (request.body === undefined && isChange(request.method)) request.body = {};
  });
}

function limitRate(app: FastifyInstance, max: number): void {
  const limit = app.rateLimit({
    max,
    timeWindow: 1_000,
    errorResponseBuilder: () => {
      const message = `more than ${max} requests a second came from this address`;
      return Object.assign(new Error(message), { statusCode: 429, code: RATE_LIMITED });
    },
  });
  app.addHook("onRequest", async function (request, reply) {
    if (!UNLIMITED.has(request.routeOptions.url ?? "")) await limit.call(this, request, reply);
  });
}

function refuse(app: FastifyInstance, { gate, allowedHosts, onRefused, sendFault }: GuardOptions): void {
  const hosts = new AllowedHosts(allowedHosts);
  app.addHook("onRequest", async (request, reply) => {
    const route = request.routeOptions.url;
    if (route !== undefined && UNLIMITED.has(route)) return;
    // The route that was matched, not the URL as sent: /%761/stats and http://host/v1/stats are /v1/stats too.
    const isApi = (route ?? request.url).startsWith("/v1");
    const fault =
      originFault(request, hosts, isApi) ?? (isApi ? await gate.admit(request) : null) ?? typeFault(request);
    if (fault === null) return;
    if (fault.code === "unauthorized") reply.header("www-authenticate", "Bearer");
    if (isApi) onRefused?.(request, fault);
    return sendFault(reply, fault);
  });
}

/** HOST-1 and SITE-1. */
function originFault({ headers, method }: FastifyRequest, hosts: AllowedHosts, isApi: boolean): ApiFault | null {
  if (!hosts.has(headers.host)) {
    const message = `this service is not known as ${JSON.stringify((headers.host ?? "").slice(0, 100))}`;
    return { code: "host_not_allowed", field: "Host", message };
  }
  const change = isChange(method);
  const why = change || isApi ? crossSiteFault(headers, change) : null;
  return why === null ? null : { code: "cross_site", message: why };
}

/** JSON-1. A path that is not there is answered as such. */
function typeFault({ headers, method, routeOptions }: FastifyRequest): ApiFault | null {
  if (!isChange(method) || routeOptions.url === undefined || isJsonType(headers["content-type"])) return null;
  return {
    code: "unsupported_media_type",
    field: "Content-Type",
    message: "the request is not declared as application/json",
  };
}

/** One token for everything. */
export class TokenGate implements Gate {
  readonly #wanted: Buffer | null;

  /** @param token null: everybody may pass */
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
