/**
 * The HTTP server that both services stand on: one error form, bearer token, limits, health and metrics routes.
 *
 * Invariants:
 *  1. Whatever goes wrong, the answer is `{"error":{…}}`; a stack trace never leaves the process.
 *  2. With a token configured every /v1 route wants it, however its path is spelled; compared in constant time.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Registry } from "prom-client";
import { type ApiFault, ERROR_CODES, errorBody } from "./api-error.ts";
import type { Logger } from "./logger.ts";

export const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** Of a body beyond the limit, what is read so that its sender hears why; beyond that the connection is closed on him. */
const SWALLOWED_BYTES = 64 * 1024 * 1024;

export interface Readiness {
  readonly ready: boolean;
  /** `ok`, `degraded` (ready, but something is away) or `unavailable`. */
  readonly status: "ok" | "degraded" | "unavailable";
  readonly checks: Readonly<Record<string, string>>;
}

export interface HttpOptions {
  readonly service: string;
  readonly version: string;
  readonly token: string | null;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly readiness: () => Readiness;
  /** Told of each request whose token was missing or wrong, after it was refused. */
  readonly onUnauthorized?: (request: FastifyRequest) => void;
}

/** Makes the server with its health routes; the caller adds routes and listens. */
export function createHttp(options: HttpOptions): FastifyInstance {
  const app = Fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: 10_000,
    connectionTimeout: 30_000,
    keepAliveTimeout: 30_000,
    routerOptions: { maxParamLength: 200 },
    // Requests under way at a stop are answered; idle connections are closed at once. What still comes in meanwhile is
    // answered by its route: Fastify's own 503 has another form.
    forceCloseConnections: "idle",
    return503OnClosing: false,
    frameworkErrors: (error, _request, reply) => {
      return sendFault(reply as FastifyReply, { code: "bad_request", message: error.message });
    },
    clientErrorHandler: (_error, socket) => answerSocket(socket),
  });
  const methodsOf = noteRoutes(app);
  replaceJsonParser(app);
  if (options.token !== null) requireToken(app, options.token, options.onUnauthorized);
  app.setErrorHandler((error: FastifyError, request, reply) => answerError(error, request, reply, options.logger));
  app.setNotFoundHandler((request, reply) => {
    const place = `${request.method} ${request.url.slice(0, 200)}`;
    const methods = methodsOf(request.url);
    if (methods.length === 0) return sendFault(reply, { code: "not_found", message: `nothing at ${place}` });
    reply.header("allow", methods.join(", "));
    return sendFault(reply, { code: "method_not_allowed", message: `nothing at ${place}, but for another method` });
  });
  addHealthRoutes(app, options);
  endUnusedConnections(app);
  return app;
}

export function sendFault(reply: FastifyReply, fault: ApiFault): FastifyReply {
  if (fault.retryAfterSeconds !== undefined) reply.header("retry-after", String(fault.retryAfterSeconds));
  return reply.code(ERROR_CODES[fault.code].status).send(errorBody(fault));
}

/** The address of a listening server, as a person would type it. */
export function addressOf(app: FastifyInstance): string {
  const address = app.addresses()[0];
  if (address === undefined || typeof address === "string") return "";
  return `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
}

/**
 * Fastify's own parser refuses `__proto__` with a message that names no field; ours keeps it as an ordinary key,
 * which validation then refuses by name as unknown. JSON.parse itself sets no prototype.
 */
function replaceJsonParser(app: FastifyInstance): void {
  app.removeContentTypeParser(["application/json", "text/plain"]);
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => {
    try {
      done(null, body.length === 0 ? undefined : JSON.parse(utf8.decode(body as Buffer)));
    } catch (error) {
      done(Object.assign(error as Error, { statusCode: 400, code: "ACKTOR_INVALID_JSON" }));
    }
  });
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** @returns the methods that some route has for a path: tells a wrong method from a wrong path */
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
 * A connection on which nothing was ever asked is not idle for Node: a stop waited 30 s for the spare one that a browser
 * opens, and 4 s for the one of fetch after a stream was left.
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

/** What cannot be read as HTTP gets our form too; there is no request yet to which one could reply. */
function answerSocket(socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(errorBody({ code: "bad_request", message: "this is not a request that can be read" }));
  const head = ["HTTP/1.1 400 Bad Request", "Connection: close", "Content-Type: application/json; charset=utf-8"];
  socket.end(`${head.join("\r\n")}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function requireToken(app: FastifyInstance, token: string, onUnauthorized: HttpOptions["onUnauthorized"]): void {
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

function answerError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
): FastifyReply | Promise<FastifyReply> {
  const status = error.statusCode ?? 500;
  if (error.code === "ACKTOR_INVALID_JSON")
    return sendFault(reply, { code: "invalid_json", message: "the body is not JSON in UTF-8" });
  if (status === 413) {
    const fault: ApiFault = { code: "too_large", message: "the request body is larger than 8 MiB" };
    return swallow(request.raw).then(() => sendFault(reply, fault));
  }
  if (status === 415)
    return sendFault(reply, { code: "unsupported_media_type", message: "the body is not application/json" });
  if (status === 503) return sendFault(reply, { code: "stopping", message: "the service is stopping" });
  if (status < 500) return sendFault(reply, { code: "invalid_field", message: error.message });
  logger.error({ err: error, method: request.method, route: request.routeOptions.url }, "request failed");
  return sendFault(reply, { code: "internal", message: "something went wrong inside acktor" });
}

/**
 * Reads the rest of a body that is too large. Who still sends does not read: answered at once, and the connection closed
 * as it must be then, 6 of 40 callers saw EPIPE and no answer. Bounded by SWALLOWED_BYTES, and by the request's timeout.
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
    const { ready, status, checks } = options.readiness();
    const verbose = new URL(request.url, "http://localhost").searchParams.has("verbose");
    return reply.code(ready ? 200 : 503).send(verbose || status !== "ok" ? { status, checks } : { status });
  });
  app.get("/version", async () => ({ service: options.service, version: options.version, node: process.version }));
  app.get("/metrics", async (_request, reply) => {
    return reply.type(options.registry.contentType).send(await options.registry.metrics());
  });
}
