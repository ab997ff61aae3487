/**
 * Errors of the HTTP API: `{"error":{"code","message","field"?,"fix"}}` .
 * docs/reference/errors.md has every code; a test compares both.
 */
import type { FastifyReply } from "fastify";
import type { DatabaseState } from "./database-state.ts";
import { isTransient, remedyOf } from "./sqlstate.ts";

/** Code → HTTP status and default fix. */
export const ERROR_CODES = {
  bad_request: { status: 400, fix: "Send HTTP/1.1 with a percent-encoded path and headers below 16 KiB." },
  invalid_json: { status: 400, fix: "Send a JSON object in UTF-8 with Content-Type: application/json." },
  invalid_field: { status: 400, fix: "Correct the field that is named." },
  unknown_field: { status: 400, fix: "Remove the field, or correct its name." },
  invalid_topic: { status: 400, fix: "Use a topic name without wildcards, control characters or a leading $." },
  reserved_topic: { status: 400, fix: "Publish to a topic outside the ack and presence prefixes." },
  unauthorized: {
    status: 401,
    fix: "Send the header Authorization: Bearer <token>, with ACKTOR_API_TOKEN or a token of `acktor token create`.",
  },
  forbidden: { status: 403, fix: "Use a token that may do this; an admin makes one with `acktor token create`." },
  cross_site: {
    status: 403,
    fix: "Ask from a page of this service itself, or with a program; other sites are never permitted.",
  },
  not_found: { status: 404, fix: "Check the path, or the id in GET /v1/messages." },
  method_not_allowed: { status: 405, fix: "Use the method that the reference gives for this path." },
  conflict: { status: 409, fix: "Look at the message's state: the operation is not possible from it." },
  idempotency_conflict: { status: 409, fix: "Use a new Idempotency-Key for a different message." },
  too_complex: {
    status: 400,
    fix: "Send flatter JSON with fewer values: the reference gives the limits of each path.",
  },
  too_large: {
    status: 413,
    fix: "Content may have 262,144 bytes; the reference gives the limits of each path's body.",
  },
  unsupported_media_type: { status: 415, fix: "Send Content-Type: application/json." },
  high_water: {
    status: 429,
    fix: "Wait as long as Retry-After says: the outbox drains when its messages are acknowledged.",
  },
  rate_limited: {
    status: 429,
    fix: "Wait as long as Retry-After says; send batches, or raise the limit that the message names.",
  },
  over_quota: {
    status: 429,
    fix: "Wait as long as Retry-After says: acknowledged messages make room; or ask an admin for a larger quota.",
  },
  request_timeout: { status: 408, fix: "Send the headers within 5 s and the whole request within 10 s." },
  host_not_allowed: {
    status: 421,
    fix: "Ask by IP address or localhost, or add the name to ACKTOR_ALLOWED_HOSTS.",
  },
  internal: { status: 500, fix: "Look into the service's log at this time, and report it." },
  database_unavailable: { status: 503, fix: "Try again with the same Idempotency-Key; see /readyz?verbose." },
  lane_locked: {
    status: 503,
    fix: "Try again with the same Idempotency-Key; where it stays locked, end the transaction that is named.",
  },
  too_many_viewers: { status: 503, fix: "Close a console, or watch another publisher: each shows all of them." },
  no_answer: { status: 504, fix: "Look at GET /v1/machines: the instance is not there, or its NATS is away." },
  stopping: { status: 503, fix: "The service is stopping: send to another replica, or try again." },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ApiFault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly field?: string;
  readonly fix?: string;
  readonly retryAfterSeconds?: number;
}

/** @param code of the failure that showed the state */
export function databaseDown({ says, remedy }: DatabaseState, code: string): ApiFault {
  return {
    code: "database_unavailable",
    message: `${says} (${code})`,
    fix: `${remedy} Then try again with the same Idempotency-Key.`,
    retryAfterSeconds: 2,
  };
}

/**
 * A statement that PostgreSQL refused, with its meaning. Its own text may quote a row, which not every reader may read.
 * @param code SQLSTATE
 */
export function databaseRefused(code: string): ApiFault {
  const message = `PostgreSQL refused the statement (SQLSTATE ${code})`;
  const fix = remedyOf(code);
  if (!isTransient(code)) return { code: "internal", message, fix };
  const again = `${fix} Then try again with the same Idempotency-Key.`;
  return { code: "database_unavailable", message: `${message} for now`, fix: again, retryAfterSeconds: 1 };
}

export interface ErrorBody {
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly field?: string; readonly fix: string };
}

export function errorBody(fault: ApiFault): ErrorBody {
  const { code, message, field, fix = ERROR_CODES[code].fix } = fault;
  return { error: field === undefined ? { code, message, fix } : { code, message, field, fix } };
}

export function sendFault(reply: FastifyReply, fault: ApiFault): FastifyReply {
  if (fault.retryAfterSeconds !== undefined) reply.header("retry-after", String(fault.retryAfterSeconds));
  return reply.code(ERROR_CODES[fault.code].status).send(errorBody(fault));
}
