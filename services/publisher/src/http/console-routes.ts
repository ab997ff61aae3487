/**
 * The console's static files, and `GET /`: the page for browsers, the index for programs.
 *
 * Invariants:
 *  1. Nothing but the files that the build made is served: they are read once, and a request's path is only looked up.
 *  2. The page runs our own scripts and styles alone, talks to this origin alone, and stands in nobody's frame.
 *  3. Assets carry their content's hash in their names and never change; the page itself is always asked for again.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { sendFault } from "@acktor/shared/runtime/api-error";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

const HEADERS = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** Where the build puts them, seen from `src` and from `dist` alike. */
export const CONSOLE_FOLDER = fileURLToPath(new URL("../../dist/console/", import.meta.url));

interface StaticFile {
  readonly type: string;
  readonly etag: string;
  readonly body: Buffer;
  readonly gzipped: Buffer;
}

/**
 * @param index what a program that asks for `/` gets; a browser too where the console was not built
 */
export function addConsoleRoutes(app: FastifyInstance, index: object, folder = CONSOLE_FOLDER): void {
  const files = readFiles(folder);
  app.get("/", async (request, reply) => {
    reply.header("vary", "Accept, Accept-Encoding");
    const page = files.get("index.html");
    const wantsPage = (request.headers.accept ?? "").includes("text/html");
    return page === undefined || !wantsPage ? index : sendFile(request, reply, page, "no-cache");
  });
  app.get("/assets/:file", async (request, reply) => {
    const { file: name } = request.params as { readonly file: string };
    const file = name.endsWith(".html") ? undefined : files.get(name);
    if (file === undefined) return sendFault(reply, { code: "not_found", message: "there is no such file" });
    return sendFile(request, reply.header("vary", "Accept-Encoding"), file, "public, max-age=31536000, immutable");
  });
}

function readFiles(folder: string): ReadonlyMap<string, StaticFile> {
  if (!existsSync(folder)) return new Map();
  const served = readdirSync(folder).filter((name) => path.extname(name) in TYPES);
  return new Map(
    served.map((name) => {
      const body = readFileSync(path.join(folder, name));
      const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
      const type = TYPES[path.extname(name)] ?? "application/octet-stream";
      return [name, { type, etag, body, gzipped: gzipSync(body) }] as const;
    }),
  );
}

function sendFile(request: FastifyRequest, reply: FastifyReply, file: StaticFile, caching: string): FastifyReply {
  reply.headers(HEADERS).header("cache-control", caching).header("etag", file.etag);
  const known = (request.headers["if-none-match"] ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  if (known.includes(file.etag)) return reply.code(304).send();
  reply.type(file.type);
  if (!/\bgzip\b/.test(request.headers["accept-encoding"] ?? "")) return reply.send(file.body);
  return reply.header("content-encoding", "gzip").send(file.gzipped);
}
