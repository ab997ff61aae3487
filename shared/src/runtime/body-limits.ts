/** Limits of request bodies: a route sets `{ config: { body: … } }`, or has `SMALL_BODY`. BODY-1 is in http-server.ts. */
import type { JsonLimits, ReadJson } from "../protocol/bounded-json.ts";
import type { ApiFault } from "./api-error.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Limits of the route's body; absent: `SMALL_BODY`. */
    readonly body?: BodyLimits;
  }
}

export interface BodyLimits extends JsonLimits {
  /** What the caller can do about a body that is too large or has too many values. */
  readonly remedy: string;
}

const KIB = 1_024;
const MAX_DEPTH = 16;

/** Commands, filters, names. */
export const SMALL_BODY: BodyLimits = {
  maxBytes: 64 * KIB,
  maxDepth: MAX_DEPTH,
  maxValues: 1_000,
  remedy: "Send only the fields that the reference gives for this path.",
};

/** Up to 10,000 ids of messages. */
export const IDS_BODY: BodyLimits = {
  maxBytes: 512 * KIB,
  maxDepth: MAX_DEPTH,
  maxValues: 25_000,
  remedy: "Send at most 10,000 ids in one request.",
};

/** 256 KiB of content, each byte of which may be written as a sequence of six. */
export const MESSAGE_BODY: BodyLimits = {
  maxBytes: 2 * KIB * KIB,
  maxDepth: MAX_DEPTH,
  maxValues: 1_000,
  remedy: "Content may have 262,144 bytes: keep what is larger elsewhere, and send its address.",
};

/** 10,000 messages with every field. */
export const BATCH_BODY: BodyLimits = {
  maxBytes: 8 * KIB * KIB,
  maxDepth: MAX_DEPTH,
  maxValues: 500_000,
  remedy: "Send several batches.",
};

/** The answer to a body that `readJson` refused. */
export function bodyFault({ kind, reason }: Extract<ReadJson, { ok: false }>, { remedy }: BodyLimits): ApiFault {
  const message = `the body ${reason}`;
  if (kind === "too_large") return { code: "too_large", message, fix: remedy };
  if (kind === "too_many") return { code: "too_complex", message, fix: remedy };
  if (kind === "too_deep") return { code: "too_complex", message };
  return { code: "invalid_json", message: "the body is not JSON in UTF-8" };
}
