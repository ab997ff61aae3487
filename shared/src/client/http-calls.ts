/**
 * One HTTP call to a publisher, with retries.
 *
 * Invariants:
 *  HTTP_CALL-1. Every call ends by its deadline; every answer is a value.
 *  HTTP_CALL-2. Only temporary failures are retried: no answer, 429, 502, 503, 504, with full jitter, not before Retry-After.
 */
import type { Clock, Random } from "../runtime/clock.ts";

export interface CallOptions {
  readonly url: string;
  readonly token: string | null;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: object;
  readonly idempotencyKey?: string;
}

export type CallFailure =
  /** The publisher refused, and would refuse again. `field` names the invalid field of the message. */
  | {
      readonly kind: "refused";
      readonly status: number;
      readonly code: string;
      readonly message: string;
      readonly field: string | null;
    }
  /** No answer until the deadline, or only temporary failures. The message may have been stored nevertheless. */
  | { readonly kind: "unavailable"; readonly message: string };

export type CallResult =
  | { readonly ok: true; readonly json: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly failure: CallFailure };

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const ONE_CALL_MS = 10_000;
const LATER: ReadonlySet<number> = new Set([429, 502, 503, 504]);

type Tried = CallResult | { readonly ok: "later"; readonly message: string; readonly waitMs: number };

/**
 * Calls until there is an answer. HTTP_CALL-1
 * @param timeoutMs for all tries together
 */
export async function call(options: CallOptions, request: Call, timeoutMs: number): Promise<CallResult> {
  const { clock, random } = options;
  const end = clock.now() + timeoutMs;
  for (let tries = 0; ; tries++) {
    const left = end - clock.now();
    const tried = await tryOnce(options, request, Math.max(1, Math.ceil(Math.min(ONE_CALL_MS, left))));
    if (tried.ok !== "later") return tried;
    const spread = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(tries, 16));
    const wait = Math.max(tried.waitMs, random.next() * spread);
    if (clock.now() + wait >= end) return { ok: false, failure: { kind: "unavailable", message: tried.message } };
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function tryOnce(options: CallOptions, request: Call, timeoutMs: number): Promise<Tried> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (options.token !== null) headers["authorization"] = `Bearer ${options.token}`;
  if (request.idempotencyKey !== undefined) headers["idempotency-key"] = request.idempotencyKey;
  if (request.body !== undefined) headers["content-type"] = "application/json";
  try {
    const response = await options.fetch(new URL(request.path, options.url), {
      method: request.method,
      headers,
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    });
    return judge(response, await readJson(response));
  } catch (error) {
    const { message, cause } = error as Error;
    return { ok: "later", message: cause instanceof Error ? cause.message || message : message, waitMs: 0 };
  }
}

function judge(response: Response, json: Readonly<Record<string, unknown>>): Tried {
  if (response.ok) return { ok: true, json };
  const error = isRecord(json["error"]) ? json["error"] : {};
  const message = String(error["message"] ?? `HTTP ${response.status}`);
  // HTTP_CALL-2
  if (LATER.has(response.status)) {
    const seconds = Number(response.headers.get("retry-after") ?? 0);
    return { ok: "later", message, waitMs: Number.isFinite(seconds) ? Math.max(0, seconds) * 1_000 : 0 };
  }
  const field = typeof error["field"] === "string" ? error["field"] : null;
  const code = String(error["code"] ?? "unknown");
  return { ok: false, failure: { kind: "refused", status: response.status, code, message, field } };
}

async function readJson(response: Response): Promise<Readonly<Record<string, unknown>>> {
  const text = await response.text();
  try {
    const json: unknown = JSON.parse(text);
    return isRecord(json) ? json : {};
  } catch {
    return {};
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
