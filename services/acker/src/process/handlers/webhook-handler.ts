/**
 * Posts each message to an HTTP endpoint: 2xx = processed, 3xx and 4xx = rejected, not retryable, everything else =
 * retryable. A forbidden address is retryable, too: the cause is this acker's configuration, not the message.
 *
 * Invariants:
 *  WEBHOOK-1. The same message has the same `Idempotency-Key` and `webhook-id` in every delivery, so that the endpoint can
 *             make exactly once out of at least once.
 *  WEBHOOK-2. A request goes to the configured URL only, at an allowed address (`post-pinned.ts`).
 *  WEBHOOK-3. A text of a message that could break a header does not become part of it.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import type { InboxMessage } from "../../inbox/message.ts";
import type { AfterHandler, HandleResult } from "./handler.ts";
import { type PinnedPost, type PostResult, postPinned } from "./post-pinned.ts";
import type { AllowedHosts } from "./public-address.ts";
import { webhookHeaders } from "./webhook-signature.ts";

export interface WebhookOptions {
  readonly url: string;
  readonly allowed: AllowedHosts;
  readonly secret: string | null;
  readonly userAgent: string;
  readonly clock: Pick<Clock, "wallClock">;
  /** Every address of a name. Default: the system's resolver. */
  readonly resolve?: PinnedPost["resolve"];
}

const TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const MOST_RETRY_AFTER_MS = 86_400_000;
/** 4xx that pass: request timeout, too early, too many requests. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);

export function createWebhookHandler(options: WebhookOptions): AfterHandler {
  const url = new URL(options.url);
  return {
    name: "webhook",
    mode: "after",
    async handle(message, { signal }) {
      const body = Buffer.from(message.content, message.contentEncoding);
      const result = await postPinned({
        url, // WEBHOOK-2
        body,
        headers: headersOf(message, body, options),
        allowed: options.allowed,
        timeoutMs: TIMEOUT_MS,
        maxBytes: MAX_ANSWER_BYTES,
        signal,
        ...(options.resolve === undefined ? {} : { resolve: options.resolve }),
      });
      return judge(result, options.clock.wallClock());
    },
  };
}

function headersOf(message: InboxMessage, body: Buffer, options: WebhookOptions): Record<string, string> {
  const { externalId, messageId, contentType, contentEncoding, topic, retryCount } = message;
  // WEBHOOK-1, WEBHOOK-3
  const id = externalId !== null && /^[A-Za-z0-9_-]+$/.test(externalId) ? externalId : messageId;
  const fallback = contentEncoding === "utf8" ? "text/plain; charset=utf-8" : "application/octet-stream";
  return {
    ...webhookHeaders({ id, timestamp: Math.floor(options.clock.wallClock() / 1_000), body }, options.secret),
    "idempotency-key": id,
    "content-type": contentType !== null && /^[\x20-\x7e]+$/.test(contentType) ? contentType : fallback,
    "user-agent": options.userAgent,
    // WEBHOOK-3
    "acktor-topic": encodeURI(topic.toWellFormed()),
    "acktor-retry-count": String(retryCount),
  };
}

/** @param nowMs milliseconds since 1970, used where the answer has no Date */
export function judge(result: PostResult, nowMs: number): HandleResult {
  if (result.kind === "forbidden") return rejected(`the webhook's address is refused: ${result.why}`, true);
  if (result.kind === "failed") return rejected(`the webhook failed: ${result.why}`, true);
  const { status } = result;
  if (status >= 200 && status < 300) return { kind: "processed" };
  if (status >= 300 && status < 400)
    return rejected(`the webhook answered ${status}; redirects are not followed`, false);
  const again = status >= 500 || PASSING.has(status);
  const waitMs = again ? retryAfterMs(result.retryAfter, result.date, nowMs) : null;
  const verdict = rejected(`the webhook answered ${status}`, again);
  return waitMs === null ? verdict : { ...verdict, retryAfterMs: waitMs };
}

function rejected(reason: string, retryable: boolean): HandleResult & { readonly kind: "rejected" } {
  return { kind: "rejected", reason, retryable };
}

/** From seconds, or from a date, which is compared with the answer's own date. Null unless it is positive. */
function retryAfterMs(value: string | null, date: string | null, nowMs: number): number | null {
  if (value === null) return null;
  const seconds = /^\d{1,9}$/.test(value.trim()) ? Number(value) : null;
  const from = Number.isNaN(Date.parse(date ?? "")) ? nowMs : Date.parse(date ?? "");
  const ms = seconds === null ? Date.parse(value) - from : seconds * 1_000;
  return Number.isFinite(ms) && ms > 0 ? Math.min(MOST_RETRY_AFTER_MS, ms) : null;
}
