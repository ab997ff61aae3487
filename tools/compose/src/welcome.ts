/**
 * The first message: so that whoever opens the console for the first time sees one with its whole timeline.
 *
 * Invariant: it is sent into an empty outbox alone, and once whoever asks how often (Idempotency-Key).
 */
import { pause } from "@acktor/shared/runtime/pause";

export interface WelcomeOptions {
  /** http://host:port */
  readonly api: string;
  readonly token: string;
  readonly topic: string;
  /** Milliseconds in which it has to be acknowledged. */
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/** `seen`: there are messages already. `unanswered`: not acknowledged in time, or no publisher answered. */
export type Welcome = "acknowledged" | "seen" | "unanswered";

const POLL_MS = 200;

export async function welcome(options: WelcomeOptions): Promise<Welcome> {
  const end = performance.now() + options.withinMs;
  let id: string | null = null;
  do {
    const stats = id === null ? await ask(options, "/v1/stats") : null;
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

/** The answer's object, or null whatever went wrong: it is asked again. */
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
