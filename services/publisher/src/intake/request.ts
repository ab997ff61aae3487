/** Requests of the intake, their answers, and the rows that they become. */
import type { DbFailure } from "@acktor/shared/db/pool";
import { type ApiFault, databaseDown, databaseRefused } from "@acktor/shared/runtime/api-error";
import type { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import type { OpenSpan } from "@acktor/shared/runtime/tracing";
import type { LeasedMessage, MessageState, NewMessage } from "../outbox/outbox.ts";
import { nextMessageId } from "./message-id.ts";
import type { AcceptedMessage } from "./validate-message.ts";

export type IntakeResult =
  | {
      readonly ok: true;
      readonly messages: readonly {
        readonly messageId: string;
        readonly state: MessageState;
        readonly fresh: boolean;
      }[];
    }
  | { readonly ok: false; readonly fault: ApiFault };

/** W3C Trace Context of the caller: it goes with the message, traced here or not. */
export interface CallerTrace {
  readonly traceparent: string | null;
  /** Null without a `traceparent`. */
  readonly tracestate: string | null;
}

export const UNTRACED: CallerTrace = { traceparent: null, tracestate: null };

/** Whose messages these are. */
export interface Sender {
  /** Recorded with the message; null: nothing is recorded. */
  readonly sender: string | null;
  /** Of its idempotency keys. */
  readonly keyOwner: string;
}

export const UNNAMED: Sender = { sender: null, keyOwner: "" };

/** The names that a caller knows for the fields of its messages. */
export interface FieldNames {
  nameOf(field: string, index: number): string;
}

/** A request with one message. */
export const SINGLE: FieldNames = { nameOf: (field) => field };

/** Fields of a batch have their own names. */
export const IN_BATCH: FieldNames = {
  nameOf(field, index) {
    return `messages[${index}].${ON_THE_BUS.nameOf(field, index)}`;
  },
};

/** On the bus the key is a field, not a header. */
export const ON_THE_BUS: FieldNames = {
  nameOf(field) {
    return field === "Idempotency-Key" ? "idempotency_key" : field;
  },
};

/** One request that waits for its INSERT. */
export interface Request {
  readonly accepted: readonly AcceptedMessage[];
  readonly names: FieldNames;
  readonly arrivedAt: number;
  readonly answer: (result: IntakeResult) => void;
  readonly trace: CallerTrace;
  readonly from: Sender;
  /** One for each message, where tracing is on. */
  readonly spans: readonly OpenSpan[] | null;
}

/** True for a message that has to be claimed, because it may not be the next of its lane, or is not due, or not new. */
export function hasToBeClaimed({ orderingKey, retain, deliverAt, idempotency }: AcceptedMessage): boolean {
  return orderingKey !== null || retain || deliverAt !== null || idempotency !== null;
}

// Field by field, here and in `toLeased`: a spread of fourteen fields and a few more took 3 µs of a message's 40.
export function toRow(
  message: AcceptedMessage,
  { spans, trace, from }: Request,
  at: number,
  leased: boolean,
): NewMessage {
  const { idempotency } = message;
  return {
    messageId: nextMessageId(),
    topic: message.topic,
    payload: message.payload,
    contentEncoding: message.contentEncoding,
    contentType: message.contentType,
    qos: message.qos,
    retain: message.retain,
    requiresAck: message.requiresAck,
    checksum: message.checksum,
    orderingKey: message.orderingKey,
    maxRetries: message.maxRetries,
    ttlMs: message.ttlMs,
    holdMs: message.holdMs,
    deliverAt: message.deliverAt,
    traceparent: spans?.[at]?.traceparent ?? trace.traceparent,
    tracestate: trace.tracestate,
    leased,
    idempotency: idempotency === null ? null : { owner: from.keyOwner, ...idempotency },
    sender: from.sender,
  };
}

/** A row that was born leased: its first token is 1. */
export function toLeased(message: NewMessage, createdAt: number): LeasedMessage {
  return {
    messageId: message.messageId,
    topic: message.topic,
    payload: message.payload,
    contentEncoding: message.contentEncoding,
    contentType: message.contentType,
    qos: message.qos,
    retain: message.retain,
    requiresAck: message.requiresAck,
    checksum: message.checksum,
    orderingKey: message.orderingKey,
    createdAt,
    expiresInMs: message.ttlMs,
    attempts: 0,
    maxRetries: message.maxRetries,
    leaseToken: "1",
    traceparent: message.traceparent,
    tracestate: message.tracestate,
    holdMs: message.holdMs ?? null,
    noSession: false,
  };
}

/** SQLSTATE of a lane that another transaction holds; the message names the holder, the constraint the lane. */
export const LANE_LOCKED = "55P03";

/** A character that the database's encoding does not have. */
const NOT_IN_ENCODING = /^(22P05|22021)$/;
const UNSTORABLE: ApiFault = {
  code: "invalid_field",
  field: "content",
  message: "content has a character that the encoding of the database cannot store",
  fix: "Send the content as base64 (content_encoding), or let the operator move to a database with the encoding UTF8.",
};

/** Of a request whose time was over before its INSERT could begin. */
export const LATE: DbFailure = {
  kind: "unavailable",
  maybeCommitted: false,
  code: "DEADLINE",
  message: "no connection became free in time",
  constraint: null,
};

export function conflictFault({ names }: Request, index: number): ApiFault {
  const field = names.nameOf("Idempotency-Key", index);
  return { code: "idempotency_conflict", field, message: `${field} was used for a different message` };
}

/** @param database explains failures by the state that it knows */
export function insertFault(failure: DbFailure, database: Pick<DatabaseHealth, "explain">): ApiFault {
  if (failure.code === LANE_LOCKED) return { code: "lane_locked", message: failure.message, retryAfterSeconds: 1 };
  if (NOT_IN_ENCODING.test(failure.code)) return UNSTORABLE;
  const state = database.explain(failure);
  if (state !== null) return databaseDown(state, failure.code);
  // Validation accepts nothing that the schema refuses: the cause lies in the database, not with the caller.
  if (failure.kind === "rejected") return databaseRefused(failure.code);
  return { code: "database_unavailable", message: "PostgreSQL cannot be reached in time", retryAfterSeconds: 2 };
}
