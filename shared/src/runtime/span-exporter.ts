/**
 * Sends spans to a collector in batches: OTLP over HTTP, in JSON.
 *
 * Invariants:
 *  SPAN_EXPORTER-1. At most `MOST_WAITING` spans wait for the collector; further ones are dropped.
 *  SPAN_EXPORTER-2. A batch that the collector did not take is sent again, a batch that it refused is not.
 *  SPAN_EXPORTER-3. A stop takes at most `STOP_MS`.
 *  SPAN_EXPORTER-4. After a batch that the collector did not take, the next attempt waits for the timer (`EVERY_MS`).
 *  SPAN_EXPORTER-5. Headers and credentials go to the endpoint alone: no redirect is followed, and no log line has them.
 */
import { SYSTEM_CLOCK } from "./clock.ts";
import { LogThrottle } from "./log-throttle.ts";
import { type Logger, printable } from "./logger.ts";
import { percentDecoded } from "./otlp-headers.ts";
import type { TracingOptions } from "./tracing.ts";

const MOST_WAITING = 8_192;
const BATCH = 512;
const EVERY_MS = 1_000;
const EXPORT_TIMEOUT_MS = 5_000;
const STOP_MS = 1_000;
/** Answers after which OTLP wants the same spans again. */
const RETRYABLE = new Set([429, 502, 503, 504]);

export class SpanExporter {
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #resource: object;
  readonly #scope: object;
  readonly #logger: Logger;
  readonly #throttle = new LogThrottle(SYSTEM_CLOCK);
  readonly #timer: NodeJS.Timeout;
  readonly #closing = new AbortController();
  /** Written by `add` and `#drain`. */
  #waiting: object[] = [];
  /** The collector did not take the last batch. Written by `#drain` alone. */
  #isAway = false;
  /** Written by `#export` alone. */
  #exporting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;

  constructor(options: TracingOptions & { readonly endpoint: string }) {
    const { service, instance, version, endpoint, headers, logger } = options;
    this.#url = new URL(`${endpoint.replace(/\/+$/, "")}/v1/traces`);
    this.#headers = { ...takeCredentials(this.#url), ...headers, "content-type": "application/json" };
    const named = { "service.name": `acktor-${service}`, "service.instance.id": instance, "service.version": version };
    this.#resource = { attributes: attributesOf(named) };
    this.#scope = { name: "acktor", version };
    this.#logger = logger;
    this.#timer = setInterval(() => this.#export(), EVERY_MS);
    this.#timer.unref();
  }

  add(span: object): void {
    if (this.#waiting.length >= MOST_WAITING || this.#stopping !== null) return; // SPAN_EXPORTER-1
    this.#waiting.push(span);
    if (this.#waiting.length >= BATCH && !this.#isAway) this.#export(); // SPAN_EXPORTER-4
  }

  /** Sends what waits. */
  stop(): Promise<void> {
    this.#stopping ??= this.#finish();
    return this.#stopping;
  }

  async #finish(): Promise<void> {
    clearInterval(this.#timer);
    const deadline = setTimeout(() => this.#closing.abort(), STOP_MS); // SPAN_EXPORTER-3
    await this.#exporting;
    await this.#drain();
    clearTimeout(deadline);
  }

  /** One export at a time. */
  #export(): void {
    if (this.#waiting.length === 0) return;
    this.#exporting ??= this.#drain().finally(() => {
      this.#exporting = null;
    });
  }

  /** Sends batches until nothing waits, or the collector does not take one. */
  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH);
      this.#isAway = !(await this.#post(batch));
      if (!this.#isAway) continue;
      this.#waiting.unshift(...batch.slice(0, MOST_WAITING - this.#waiting.length)); // SPAN_EXPORTER-1, SPAN_EXPORTER-2
      return;
    }
  }

  /** @returns whether the batch is done with: taken, or refused */
  async #post(spans: readonly object[]): Promise<boolean> {
    const scopeSpans = [{ scope: this.#scope, spans }];
    const body = JSON.stringify({ resourceSpans: [{ resource: this.#resource, scopeSpans }] });
    const signal = AbortSignal.any([AbortSignal.timeout(EXPORT_TIMEOUT_MS), this.#closing.signal]);
    try {
      const request = { method: "POST", headers: this.#headers, body, signal } as const;
      const response = await fetch(this.#url, { ...request, redirect: "manual" }); // SPAN_EXPORTER-5
      await response.body?.cancel();
      if (!response.ok) this.#report(`the collector answered ${response.status}`);
      return !RETRYABLE.has(response.status);
    } catch (error) {
      this.#report(reasonOf(error));
      return false;
    }
  }

  #report(reason: string): void {
    const unsaid = this.#throttle.admit("traces");
    if (unsaid !== null) this.#logger.warn({ reason: printable(reason), unsaid }, "traces could not be exported");
  }
}

/**
 * Takes the credentials out of a URL; returns them as a header. `fetch` refuses a URL with credentials, and its error shows
 * them. SPAN_EXPORTER-5
 */
function takeCredentials(url: URL): { authorization?: string } {
  const { username, password } = url;
  if (username === "" && password === "") return {};
  const credentials = [username, password].map((text) => percentDecoded(text) ?? text).join(":");
  url.username = "";
  url.password = "";
  return { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
}

/** `fetch` hides why it failed in the cause, which has a code but no message where a name has several addresses. */
function reasonOf(error: unknown): string {
  const { cause = error } = error as { cause?: unknown };
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || (cause as NodeJS.ErrnoException).code || cause.name;
}

/** As OTLP has attributes; what is undefined is left out. */
export function attributesOf(values: Readonly<Record<string, string | number | undefined>>): object[] {
  return Object.entries(values).flatMap(([key, value]) => {
    if (value === undefined) return [];
    return [{ key, value: typeof value === "number" ? { intValue: value } : { stringValue: value } }];
  });
}
