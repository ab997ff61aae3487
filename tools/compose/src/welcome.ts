/**
 * The first message, so that a new user of the console sees one with its complete timeline.
 *
 * Invariants:
 *  WELCOME-1. It is sent only into an empty outbox, and only once (Idempotency-Key).
 */
import { pause } from "@acktor/shared/runtime/pause";

export interface WelcomeOptions {
  /** http://host:port */
  readonly api: string;
  readonly token: string;
  readonly topic: string;
  /** Milliseconds to wait for its ack. */
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/** `seen`: the outbox has messages. `unanswered`: not acknowledged in time, or the publisher is unreachable. */
export type Welcome = "acknowledged" | "seen" | "unanswered";

const POLL_MS = 200;

export async function welcome(options: WelcomeOptions): Promise<Welcome> {
  const end = performance.now() + options.withinMs;
  let id: string | null = null;
  do {
    const stats = id === null ? await ask(options, "/v1/stats") : null;
    // WELCOME-1
    if (typeof stats?.["total_messages"] === "number" && stats["total_messages"] > 0) return "seen";
    if (stats !== null) id = await send(options);
    const message = id === null ? null : await ask(options, `/v1/messages/${id}`);
    if (message?.["state"] === "acknowledged") return "acknowledged";
  } while (performance.now() < end && (await pause(POLL_MS, options.signal)));
  return "unanswered";
}

async function send(options: WelcomeOptions): Promise<string | null> {
  const content = "Welcome to acktor. This message was stored, sent, processed once, and acknowledged.";
  const body = JSON.stringify({ topic: options.topic, content, content_type: "text/plain" });
  const headers = { "content-type": "application/json", "idempotency-key": "welcome" };
  const answer = await ask(options, "/v1/messages", { method: "POST", body, headers });
  return typeof answer?.["message_id"] === "string" ? answer["message_id"] : null;
}

/** The answer's object; null after any failure: the caller retries. */
async function ask(
  { api, token, signal }: WelcomeOptions,
  path: string,
  request: { method?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<Record<string, unknown> | null> {
  const headers = { ...request.headers, authorization: `Bearer ${token}` };
  try {
    const within = AbortSignal.any([signal, AbortSignal.timeout(3_000)]);
    const response = await fetch(`${api}${path}`, { ...request, headers, signal: within });
    return response.ok ? ((await response.json()) as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
