/**
 * The console's static files, and `GET /`: the page for browsers, the index for programs.
 *
 * Invariants:
 *  CONSOLE_FILES-1. Only files of the build are served: they are read once, and a request's path is only looked up.
 *  CONSOLE_FILES-2. The page runs only scripts and styles of this origin, connects only to this origin, and no page may frame
 *                   it.
 *  CONSOLE_FILES-3. Assets carry their content's hash in their names and are cached; the page itself is revalidated each time.
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

// CONSOLE_FILES-2
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

/** Where the build puts them; the path is the same from `src` and from `dist`. */
export const CONSOLE_FOLDER = fileURLToPath(new URL("../../dist/console/", import.meta.url));

interface StaticFile {
  readonly type: string;
  readonly etag: string;
  readonly body: Buffer;
  readonly gzipped: Buffer;
}

/**
 * @param index the answer to `GET /` for programs, and for browsers where the console was not built
 */
export function addConsoleRoutes(app: FastifyInstance, index: object, folder = CONSOLE_FOLDER): void {
  const files = readFiles(folder); // CONSOLE_FILES-1
  app.get("/", async (request, reply) => {
    reply.header("vary", "Accept, Accept-Encoding");
    const page = files.get("index.html");
    const wantsPage = (request.headers.accept ?? "").includes("text/html");
    return page === undefined || !wantsPage ? index : sendFile(request, reply, page, "no-cache"); // CONSOLE_FILES-3
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
