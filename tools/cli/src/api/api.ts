/**
 * The service's HTTP interface as values.
 *
 * Invariants:
 *  1. Nothing rejects for what a network, a service or a database can do; every call ends within `DEADLINE_MS`.
 *  2. The token goes to the address that was named and nowhere else: redirects are refused.
 *  3. The token is in no failure.
 */
import { isJsonObject, type JsonLimits, readJsonText } from "@acktor/shared/protocol/bounded-json";
import { type CliFailure, EXIT } from "../exit.ts";
import { printable } from "../terminal/printable.ts";
import type { Texts } from "../texts/texts.ts";

export type ApiResult<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      readonly failure: CliFailure;
      /** Null where nothing answered. */
      readonly status: number | null;
      /** What a 429 or a 503 asked for. */
      readonly retryAfterSeconds: number | null;
    };

export interface ApiOptions {
  /** As http://127.0.0.1:8080, without a slash at its end. */
  readonly url: string;
  readonly token: string | null;
  readonly texts: Texts;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
}

type Headers = Readonly<Record<string, string>>;

const DEADLINE_MS = 10_000;
/** A page has a thousand messages of 256 KiB at most; nothing of ours is nested half as deep. */
const LIMITS: JsonLimits = { maxBytes: 512 * 1024 * 1024, maxDepth: 64, maxValues: 4_000_000 };

export class Api {
  readonly url: string;
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.url = options.url;
    this.#options = options;
  }

  get<T>(path: string): Promise<ApiResult<T>> {
    return this.#json("GET", path, undefined);
  }

  /** @param headers on top of what every request has */
  post<T>(path: string, body: object = {}, headers: Headers = {}): Promise<ApiResult<T>> {
    return this.#json("POST", path, body, headers);
  }

  delete<T>(path: string, headers: Headers = {}): Promise<ApiResult<T>> {
    return this.#json("DELETE", path, {}, headers);
  }

  /** A body that does not end; the deadline is for its beginning. */
  async stream(path: string): Promise<ApiResult<ReadableStream<Uint8Array>>> {
    const opening = new AbortController();
    const timer = setTimeout(() => opening.abort(new DOMException("no answer", "TimeoutError")), DEADLINE_MS);
    try {
      const response = await this.#fetch("GET", path, undefined, {}, opening.signal);
      if (!response.ok) return this.#refused(response.status, response.headers, await response.text());
      return response.body === null ? this.#foreign() : { ok: true, value: response.body };
    } catch (error) {
      return this.#unreachable(error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #json<T>(method: string, path: string, body: object | undefined, headers: Headers = {}): Promise<ApiResult<T>> {
    try {
      const response = await this.#fetch(method, path, body, headers, AbortSignal.timeout(DEADLINE_MS));
      const text = await response.text();
      if (!response.ok) return this.#refused(response.status, response.headers, text);
      const value = parseObject(text);
      return value === null ? this.#foreign() : { ok: true, value: value as T };
    } catch (error) {
      return this.#unreachable(error);
    }
  }

  #fetch(
    method: string,
    path: string,
    body: object | undefined,
    more: Headers,
    deadline: AbortSignal,
  ): Promise<Response> {
    const { url, token, signal } = this.#options;
    return fetch(`${url}${path}`, {
      method,
      redirect: "error",
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...more,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, deadline]),
    });
  }

  #refused(status: number, headers: Response["headers"], text: string): ApiResult<never> {
    const error: unknown = parseObject(text)?.["error"];
    const { code, message, fix } = isJsonObject(error) ? error : {};
    if (typeof code !== "string") return this.#foreign(status);
    const { failures } = this.#options.texts;
    const wait = Number(headers.get("retry-after"));
    return {
      ok: false,
      status,
      retryAfterSeconds: wait > 0 ? wait : null,
      failure: {
        exit: exitOf(status),
        code,
        message: printable(typeof message === "string" ? message : `HTTP ${status}`),
        fix: status === 401 ? failures.tokenFix : printable(typeof fix === "string" ? fix : ""),
      },
    };
  }

  #foreign(status: number | null = null): ApiResult<never> {
    const failure = foreignAnswer(this.url, this.#options.texts);
    return { ok: false, status, retryAfterSeconds: null, failure };
  }

  #unreachable(error: unknown): ApiResult<never> {
    const { failures } = this.#options.texts;
    const { name, cause } = error as { name?: string; cause?: { code?: string; message?: string } };
    const isLate = name === "TimeoutError";
    const why = cause?.code ?? cause?.message ?? name ?? "?";
    const failure: CliFailure = isLate
      ? { exit: EXIT.timeout, code: "timed_out", message: failures.noAnswer(this.url), fix: failures.noAnswerFix }
      : { exit: EXIT.away, code: "service_away", message: failures.away(this.url, why), fix: failures.awayFix };
    return { ok: false, status: null, retryAfterSeconds: null, failure };
  }
}

/** What answers is not acktor, or of a version whose answers have another form. */
export function foreignAnswer(url: string, { failures }: Texts): CliFailure {
  return { exit: EXIT.away, code: "not_acktor", message: failures.notActor(url), fix: failures.urlFix };
}

/** A wrong request is the caller's; what passes by itself is a dependency's; the rest is the matter's own. */
function exitOf(status: number): CliFailure["exit"] {
  if (status === 503 || status === 504) return EXIT.away;
  return [400, 401, 403, 413, 415, 421].includes(status) ? EXIT.usage : EXIT.failed;
}

function parseObject(text: string): Record<string, unknown> | null {
  const read = readJsonText(text, LIMITS);
  return read.ok && isJsonObject(read.value) ? read.value : null;
}
