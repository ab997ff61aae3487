/**
 * Spans of a message's life: create → send → process → settle. Off, and its code not even loaded, unless an endpoint
 * is configured.
 *
 * Invariants:
 *  1. The hot path asks `on` and nothing else while tracing is off.
 *  2. Nothing of a message's content is in a span.
 *  3. A collector that is away costs spans, never messages: what waits for it is bounded, and nobody waits for it.
 */
import type { Logger } from "./logger.ts";

export interface SpanStart {
  readonly name: "create" | "send" | "process" | "settle";
  /** `traceparent` of the span above, or null: a trace of its own. */
  readonly parent: string | null;
  readonly messageId?: string;
  readonly topic?: string;
  /** PUBLISHes of this message, this one included. */
  readonly attempt?: number;
  /** It began so many milliseconds ago; 0 where left out. */
  readonly startedAgoMs?: number;
}

export interface SpanEnd {
  /** How it ended, in a word. */
  readonly outcome?: string | undefined;
  readonly failed?: boolean;
  /** Where it was not known at the start. */
  readonly messageId?: string | undefined;
}

export interface OpenSpan {
  /** What spans below this one have as their parent. */
  readonly traceparent: string;
  /** Once; later calls are nothing. */
  end(end?: SpanEnd): void;
}

export interface Tracing {
  readonly on: boolean;
  begin(start: SpanStart): OpenSpan;
  /** Sends what waits, within a second. Twice is fine. */
  stop(): Promise<void>;
}

export const NO_TRACING: Tracing = {
  on: false,
  begin: () => ({ traceparent: "", end: () => undefined }),
  stop: async () => undefined,
};

export interface TracingOptions {
  readonly service: string;
  readonly instance: string;
  readonly version: string;
  /** `OTEL_EXPORTER_OTLP_ENDPOINT`; null: off. */
  readonly endpoint: string | null;
  readonly logger: Logger;
}

export async function startTracing(options: TracingOptions): Promise<Tracing> {
  const { endpoint } = options;
  if (endpoint === null) return NO_TRACING;
  const { startOtlpTracing } = await import("./otlp-tracing.ts");
  return startOtlpTracing({ ...options, endpoint });
}
