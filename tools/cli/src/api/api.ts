/**
 * The service's HTTP interface as values.
 *
 * Invariants:
 *  API-1. No call rejects because of the network, the service or a database.
 *  API-2. The token is sent only to the given address: redirects are not followed. No failure contains it.
 *
 * A call takes at most `DEADLINE_MS`.
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
      /** Null if the service did not answer. */
      readonly status: number | null;
      /** The pause that a 429 or a 503 requests. */
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
/** A page has at most a thousand messages of 256 KiB; no answer is nested half as deep. */
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

  /** @param headers in addition to those of every request */
  post<T>(path: string, body: object = {}, headers: Headers = {}): Promise<ApiResult<T>> {
    return this.#json("POST", path, body, headers);
  }

  delete<T>(path: string, headers: Headers = {}): Promise<ApiResult<T>> {
    return this.#json("DELETE", path, {}, headers);
  }

  /** A stream; the deadline applies to its beginning. */
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
    // API-1
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
      redirect: "error", // API-2
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

/** The answer comes from another program, or from a version with other answers. */
export function foreignAnswer(url: string, { failures }: Texts): CliFailure {
  return { exit: EXIT.away, code: "not_acktor", message: failures.notActor(url), fix: failures.urlFix };
}

/** 4xx for a wrong request is wrong usage; 503 and 504 are temporary; anything else failed. */
function exitOf(status: number): CliFailure["exit"] {
  if (status === 503 || status === 504) return EXIT.away;
  return [400, 401, 403, 413, 415, 421].includes(status) ? EXIT.usage : EXIT.failed;
}

function parseObject(text: string): Record<string, unknown> | null {
  const read = readJsonText(text, LIMITS);
  return read.ok && isJsonObject(read.value) ? read.value : null;
}
