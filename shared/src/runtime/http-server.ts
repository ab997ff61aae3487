/**
 * The HTTP server of both services: one form of errors, limits, health and metrics routes. `http-guard.ts` runs before the
 * routes.
 *
 * Invariants:
 *  HTTP-1. Every error is answered as `{"error":{…}}`; a stack trace never leaves the process.
 *  BODY-1. A body beyond its route's limits (`body-limits.ts`) is never parsed; a request without the required token is refused
 *     before its body is read.
 */
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { readJson } from "../protocol/bounded-json.ts";
import { type ApiFault, ERROR_CODES, errorBody, sendFault } from "./api-error.ts";
import { type BodyLimits, bodyFault, SMALL_BODY } from "./body-limits.ts";
import { SYSTEM_CLOCK } from "./clock.ts";
import { addGuard, type Gate, RATE_LIMITED, type RefusalObserver, TokenGate } from "./http-guard.ts";
import { LogThrottle } from "./log-throttle.ts";
import { type Logger, printable } from "./logger.ts";
import type { Registry } from "./metric-table.ts";
import { openApiDocument, type Route, type RouteDocs } from "./openapi.ts";

/** Bytes of a too large body that are read so that its sender receives the answer; then the connection is closed. */
const SWALLOWED_BYTES = 64 * 1024 * 1024;
const HEADERS_MS = 5_000;
const REQUEST_MS = 10_000;
/** Below the usual 1,024 file descriptors of a process, with room for its other ones. */
const MOST_CONNECTIONS = 900;
/** Failures of one route are logged once in this period. */
const FAILURES_EVERY_MS = 1_000;
/** Rendering the metrics takes at most a fifth of the time, however often they are requested. */
const METRICS_REST = 4;

export interface Readiness {
  readonly ready: boolean;
  /** `degraded`: ready, but a dependency fails. */
  readonly status: "ok" | "degraded" | "unavailable";
  readonly checks: Readonly<Record<string, string>>;
}

export interface HttpOptions {
  readonly service: string;
  readonly version: string;
  readonly token: string | null;
  /** Decides which callers may use /v1; `token` alone where it is absent. */
  readonly gate?: Gate;
  /** Host names of the service, in addition to IP addresses and loopback names. */
  readonly allowedHosts?: readonly string[];
  /** Requests a second from one address; null or absent: no limit. */
  readonly requestsPerSecond?: number | null;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly health: HealthSource;
  /** Documentation of the service's own routes for `/openapi.json`. */
  readonly docs?: RouteDocs;
  readonly refusals?: RefusalObserver;
}

export interface HealthSource {
  readiness(): Readiness;
}

/** Makes the server with its health routes; the caller adds routes and listens. */
export function createHttp(options: HttpOptions): FastifyInstance {
  const app = Fastify({
    bodyLimit: SMALL_BODY.maxBytes,
    requestTimeout: REQUEST_MS,
    // Node checks every 30 s by default, which would give a slow sender four times the time.
    http: { headersTimeout: HEADERS_MS, connectionsCheckingInterval: 1_000 },
    connectionTimeout: 30_000,
    keepAliveTimeout: 30_000,
    routerOptions: { maxParamLength: 200 },
    // At a stop, running requests are answered and idle connections are closed. Routes answer requests that still arrive:
    // Fastify's own 503 has another form.
    forceCloseConnections: "idle",
    return503OnClosing: false,
    frameworkErrors(error, _request, reply) {
      // The message may quote an entire path.
      return sendFault(reply as FastifyReply, { code: "bad_request", message: printable(error.message) });
    },
    clientErrorHandler: answerSocket,
  });
  const methodsOf = noteRoutes(app);
  limitBodies(app);
  app.server.maxConnections = MOST_CONNECTIONS;
  const { token, gate = new TokenGate(token), requestsPerSecond = null, allowedHosts = [], refusals } = options;
  addGuard(app, { gate, requestsPerSecond, allowedHosts, refusals });
  const failures = new LogThrottle(SYSTEM_CLOCK, FAILURES_EVERY_MS);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    return answerError(error, request, reply, { logger: options.logger, failures });
  });
  app.setNotFoundHandler((request, reply) => {
    const place = `${request.method} ${request.url.slice(0, 200)}`;
    const methods = methodsOf(request.url);
    if (methods.length === 0) return sendFault(reply, { code: "not_found", message: `there is no route ${place}` });
    reply.header("allow", methods.join(", "));
    return sendFault(reply, {
      code: "method_not_allowed",
      message: `there is no route ${place}; the path has other methods`,
    });
  });
  addOpenApi(app, options);
  addHealthRoutes(app, options);
  endUnusedConnections(app);
  return app;
}

/** The address of a listening server, as a user would type it. */
export function addressOf(app: FastifyInstance): string {
  const address = app.addresses()[0];
  if (address === undefined || typeof address === "string") return "";
  return `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
}

/**
 * Fastify's parser rejects `__proto__` with a message that names no field; this one keeps it as an ordinary key, which
 * validation then rejects by name as unknown. JSON.parse itself sets no prototype.
 */
function limitBodies(app: FastifyInstance): void {
  app.addHook("onRoute", (route) => {
    route.bodyLimit = (route.config?.body ?? SMALL_BODY).maxBytes;
  });
  app.removeContentTypeParser(["application/json", "text/plain"]);
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => {
    const limits = limitsOf(request);
    if (body.length === 0) return done(null, undefined);
    // BODY-1
    const read = readJson(body as Buffer, limits);
    if (read.ok) return done(null, read.value);
    done(Object.assign(new Error(read.reason), { statusCode: 400, fault: bodyFault(read, limits) }));
  });
}

function limitsOf(request: FastifyRequest): BodyLimits {
  return request.routeOptions.config?.body ?? SMALL_BODY;
}

/** @returns the methods that the routes of a path have: distinguishes a wrong method from a wrong path */
function noteRoutes(app: FastifyInstance): (url: string) => string[] {
  const routes: { readonly method: string; readonly path: RegExp }[] = [];
  app.addHook("onRoute", ({ method, url }) => {
    const pattern = url.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/:[^/]+/g, "[^/]+");
    for (const one of [method].flat()) routes.push({ method: one, path: new RegExp(`^${pattern}$`) });
  });
  return (url) => {
    const path = url.split("?")[0] ?? "";
    return [...new Set(routes.filter((route) => route.path.test(path)).map((route) => route.method))];
  };
}

/**
 * A connection without any request is not idle for Node: a stop waited 30 s for the spare connection that a browser opens,
 * and 4 s for the one of fetch after a stream was left.
 */
function endUnusedConnections(app: FastifyInstance): void {
  const fresh = new Set<Socket>();
  app.server.on("connection", (socket) => {
    fresh.add(socket);
    socket.once("close", () => fresh.delete(socket));
  });
  app.server.on("request", (request) => fresh.delete(request.socket));
  app.addHook("preClose", async () => {
    for (const socket of fresh) if (socket.bytesRead === 0) socket.destroy();
  });
}

/** HTTP-1 for bytes that are not valid HTTP; Fastify has no request then. */
function answerSocket({ code }: { readonly code?: string }, socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const late = code === "ERR_HTTP_REQUEST_TIMEOUT";
  const fault: ApiFault = late
    ? { code: "request_timeout", message: "the request did not arrive in time" }
    : { code: "bad_request", message: "the request is not valid HTTP" };
  const { status } = ERROR_CODES[fault.code];
  const body = JSON.stringify(errorBody(fault));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Connection: close",
    "Content-Type: application/json; charset=utf-8",
  ];
  socket.end(`${head.join("\r\n")}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

interface FailureLog {
  readonly logger: Logger;
  readonly failures: LogThrottle;
}

function answerError(
  error: FastifyError & { readonly fault?: ApiFault },
  request: FastifyRequest,
  reply: FastifyReply,
  { logger, failures }: FailureLog,
): FastifyReply | Promise<FastifyReply> {
  const status = error.statusCode ?? 500;
  if (error.fault !== undefined) return sendFault(reply, error.fault);
  if (status === 413) {
    const limits = limitsOf(request);
    const reason = `is larger than ${limits.maxBytes} bytes`;
    const fault = bodyFault({ ok: false, kind: "too_large", reason }, limits);
    return swallow(request.raw).then(() => sendFault(reply, fault));
  }
  if (error.code === RATE_LIMITED)
    return sendFault(reply, { code: "rate_limited", message: error.message, retryAfterSeconds: 1 });
  if (status === 415)
    return sendFault(reply, { code: "unsupported_media_type", message: "the body is not application/json" });
  if (status === 503) return sendFault(reply, { code: "stopping", message: "the service is stopping" });
  if (status < 500) return sendFault(reply, { code: "invalid_field", message: printable(error.message) });
  const route = request.routeOptions.url;
  const unsaid = failures.admit(`${request.method} ${route}`);
  if (unsaid !== null) logger.error({ err: error, method: request.method, route, unsaid }, "request failed");
  return sendFault(reply, { code: "internal", message: "acktor failed to handle the request" });
}

/**
 * Reads the rest of a body that is too large. A client that still sends does not read: with an immediate answer, after which
 * the connection must be closed, 6 of 40 callers saw EPIPE and no answer. Bounded by SWALLOWED_BYTES and the request's timeout.
 */
function swallow(body: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let size = 0;
    const done = (): void => {
      body.off("data", count);
      body.off("end", done);
      body.off("close", done);
      resolve();
    };
    const count = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > SWALLOWED_BYTES) done();
    };
    if (body.readableEnded || body.destroyed) {
      resolve();
      return;
    }
    body.on("data", count);
    body.once("end", done);
    body.once("close", done);
  });
}

function addHealthRoutes(app: FastifyInstance, options: HttpOptions): void {
  app.get("/livez", async () => ({ status: "ok" }));
  app.get("/readyz", async (request, reply) => {
    const { ready, status, checks } = options.health.readiness();
    const verbose = "verbose" in (request.query as object);
    return reply.code(ready ? 200 : 503).send(verbose || status !== "ok" ? { status, checks } : { status });
  });
  app.get("/version", async () => ({ service: options.service, version: options.version, node: process.version }));
  const metrics = sparing(() => options.registry.metrics(), METRICS_REST);
  app.get("/metrics", async (_request, reply) => {
    return reply.type(options.registry.contentType).send(await metrics());
  });
}

/** Shares one result among the callers while it is made, and for `rest` times as long as that took. */
function sparing<T>(make: () => Promise<T>, rest: number): () => Promise<T> {
  let last: Promise<T> | null = null;
  return () => {
    if (last !== null) return last;
    const startedAt = performance.now();
    const forget = (): void => {
      last = null;
    };
    last = make();
    last.then(() => setTimeout(forget, (performance.now() - startedAt) * rest).unref(), forget);
    return last;
  };
}

/** Made on the first request, when every route is registered. */
function addOpenApi(app: FastifyInstance, { service, version, docs = {} }: HttpOptions): void {
  const routes: Route[] = [];
  let document: string | null = null;
  app.addHook("onRoute", ({ method, url }) => {
    for (const one of [method].flat()) if (one !== "HEAD") routes.push({ method: one, path: url });
  });
  app.get("/openapi.json", async (_request, reply) => {
    document ??= JSON.stringify(openApiDocument({ title: `acktor ${service}`, version, docs, routes }));
    return reply.type("application/json; charset=utf-8").send(document);
  });
}
