/**
 * OpenAPI 3.1 from the registered routes and their documentation. Bodies and queries are described by the schemas that validate
 * them. A route without documentation is in the document as well, marked `x-undocumented`; a test finds it there.
 */
import { z } from "zod";
import { ERROR_CODES, type ErrorCode } from "./api-error.ts";

export interface Answer {
  readonly description: string;
  /** Null: the body is not JSON but `type`. */
  readonly schema: z.ZodType | null;
  readonly type?: string;
}

export interface RouteDoc {
  readonly summary: string;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Request headers, by their name. */
  readonly headers?: Readonly<Record<string, string>>;
  /** By status. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Errors of this route, in addition to those of every route of its kind. */
  readonly faults?: readonly ErrorCode[];
}

/** By method and path: `GET /v1/messages/:id`. */
export type RouteDocs = Readonly<Record<string, RouteDoc>>;

export interface Route {
  readonly method: string;
  /** As Fastify has it. */
  readonly path: string;
}

export interface OpenApiOptions {
  readonly title: string;
  readonly version: string;
  readonly docs: RouteDocs;
  readonly routes: readonly Route[];
}

const ERROR = z.strictObject({
  error: z.strictObject({
    code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
    message: z.string(),
    field: z.string().optional(),
    fix: z.string(),
  }),
});

const UNDOCUMENTED: RouteDoc = { summary: "", answers: {} };

export function openApiDocument({ title, version, docs, routes }: OpenApiOptions): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path } of routes) {
    const doc = docs[`${method} ${path}`];
    const operations = paths[openApiPath(path)] ?? {};
    operations[method.toLowerCase()] = operation(method, path, doc ?? UNDOCUMENTED, doc === undefined);
    paths[openApiPath(path)] = operations;
  }
  return {
    openapi: "3.1.0",
    info: { title, version, license: { name: "MIT", identifier: "MIT" } },
    servers: [{ url: "/" }],
    paths,
    components: {
      schemas: { Error: toSchema(ERROR, "output") },
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description:
            "ACKTOR_API_TOKEN, or a principal's token. On loopback without ACKTOR_API_TOKEN, none is needed.",
        },
      },
    },
  };
}

/** `/v1/messages/:id` → `/v1/messages/{id}`. */
export function openApiPath(path: string): string {
  return path.replace(/:([A-Za-z]+)/g, "{$1}");
}

/** Every status that a route is said to give. */
export function statusesOf(method: string, path: string, doc: RouteDoc): number[] {
  const faults = faultsOf(method, path, doc).map((code) => ERROR_CODES[code].status);
  return [...new Set([...Object.keys(doc.answers).map(Number), ...faults])].sort((a, b) => a - b);
}

function operation(method: string, path: string, doc: RouteDoc, undocumented: boolean): object {
  const parameters = [...pathParameters(path), ...queryParameters(doc.query), ...headerParameters(doc.headers ?? {})];
  return {
    operationId: `${method.toLowerCase()}${path.replace(/[^A-Za-z0-9]+(.)?/g, (_, next: string = "") => next.toUpperCase())}`,
    summary: doc.summary,
    ...(undocumented ? { "x-undocumented": true } : {}),
    security: path.startsWith("/v1") ? [{ bearer: [] }] : [],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(doc.body === undefined ? {} : { requestBody: { content: json(toSchema(doc.body, "input")) } }),
    responses: responses(method, path, doc),
  };
}

function responses(method: string, path: string, doc: RouteDoc): object {
  const all: Record<string, object> = {};
  for (const [status, { description, schema, type }] of Object.entries(doc.answers)) {
    const content = schema === null ? (type === undefined ? {} : { [type]: {} }) : json(toSchema(schema, "output"));
    all[status] = { description, content };
  }
  for (const code of faultsOf(method, path, doc)) {
    const { status, fix } = ERROR_CODES[code];
    const before = all[status] as { readonly description?: string } | undefined;
    const description = [before?.description, `\`${code}\`: ${fix}`].filter((text) => text !== undefined).join("\n\n");
    all[status] ??= { content: json({ $ref: "#/components/schemas/Error" }) };
    Object.assign(all[status], { description });
  }
  return all;
}

function faultsOf(method: string, path: string, { faults = [] }: RouteDoc): ErrorCode[] {
  const api: ErrorCode[] = path.startsWith("/v1") ? ["unauthorized", "forbidden", "cross_site", "internal"] : [];
  const health = /^\/(livez|readyz|metrics|version)$/.test(path);
  const limited: ErrorCode[] = health ? [] : ["rate_limited", "host_not_allowed"];
  const sending: ErrorCode[] =
    method === "POST" || method === "DELETE"
      ? ["invalid_json", "too_complex", "unsupported_media_type", "too_large", "request_timeout"]
      : [];
  return [...new Set([...faults, ...api, ...limited, ...sending])];
}

function pathParameters(path: string): object[] {
  return [...path.matchAll(/:([A-Za-z]+)/g)].map(([, name]) => {
    return { name, in: "path", required: true, schema: { type: "string" } };
  });
}

function queryParameters(query: z.ZodType | undefined): object[] {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = toSchema(query, "output") as {
    readonly properties?: Record<string, { readonly default?: unknown }>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, schema]) => {
    return { name, in: "query", required: required.includes(name) && schema.default === undefined, schema };
  });
}

function headerParameters(headers: Readonly<Record<string, string>>): object[] {
  return Object.entries(headers).map(([name, description]) => {
    return { name, in: "header", required: false, description, schema: { type: "string" } };
  });
}

function json(schema: object): object {
  return { "application/json": { schema } };
}

function toSchema(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
