/**
 * What stands before every route: headers for browsers (helmet), a limit of requests for each address, the bearer token.
 * In this order, so that knocking with wrong tokens is limited too, and a refusal carries the headers.
 *
 * Invariants:
 *  1. Health, metrics and version are never limited: who watches must see most when there is most to see.
 *  2. With a token configured every /v1 route wants it, however its path is spelled; compared in constant time.
 *  3. Addresses are counted in a cache of bounded size.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import helmet from "@fastify/helmet";
import rateLimit from "@fastify/rate-limit";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ApiFault } from "./api-error.ts";

export interface GuardOptions {
  readonly token: string | null;
  /** Requests a second from one address; null: no limit. */
  readonly requestsPerSecond: number | null;
  /** Told of each request whose token was missing or wrong, after it was refused. */
  readonly onUnauthorized?: ((request: FastifyRequest) => void) | undefined;
  readonly sendFault: (reply: FastifyReply, fault: ApiFault) => FastifyReply;
}

export const RATE_LIMITED = "ACKTOR_RATE_LIMITED";

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
    if (options.token !== null) requireToken(app, options.token, options);
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

function requireToken(app: FastifyInstance, token: string, { onUnauthorized, sendFault }: GuardOptions): void {
  const wanted = createHash("sha256").update(`Bearer ${token}`).digest();
  app.addHook("onRequest", async (request, reply) => {
    // The route that was matched, not the URL as sent: /%761/stats and http://host/v1/stats are /v1/stats too.
    if (!(request.routeOptions.url ?? request.url).startsWith("/v1")) return;
    const given = createHash("sha256")
      .update(request.headers.authorization ?? "")
      .digest();
    if (!timingSafeEqual(given, wanted)) {
      reply.header("www-authenticate", "Bearer");
      onUnauthorized?.(request);
      return sendFault(reply, { code: "unauthorized", message: "the bearer token is missing or wrong" });
    }
  });
}
