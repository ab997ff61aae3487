/**
 * Spans of a message: create → send → process → settle. Without a configured endpoint tracing is off and its code is not
 * loaded, and the hot path only reads `on`. A span contains nothing of a message's content.
 * An unreachable collector costs spans, never messages (SPAN_EXPORTER-1).
 */
import type { Logger } from "./logger.ts";

export interface SpanStart {
  readonly name: "create" | "send" | "process" | "settle";
  /** `traceparent` of the parent span; null starts a trace. */
  readonly parent: string | null;
  readonly messageId?: string;
  readonly topic?: string;
  /** PUBLISHes of this message, this one included. */
  readonly attempt?: number;
  /** Milliseconds since it began; absent: 0. */
  readonly startedAgoMs?: number;
}

export interface SpanEnd {
  /** Its result, in one word. */
  readonly outcome?: string | undefined;
  readonly failed?: boolean;
  /** Set here if it was not known at the start. */
  readonly messageId?: string | undefined;
}

export interface OpenSpan {
  /** The parent of its child spans. */
  readonly traceparent: string;
  /** Later calls have no effect. */
  end(end?: SpanEnd): void;
}

export interface Tracing {
  readonly on: boolean;
  begin(start: SpanStart): OpenSpan;
  /** Sends the queued spans, within a second. */
  stop(): Promise<void>;
}

const NO_SPAN: OpenSpan = {
  traceparent: "",
  end() {
    // Tracing is off.
  },
};

export const NO_TRACING: Tracing = {
  on: false,
  begin() {
    return NO_SPAN;
  },
  async stop() {
    // Tracing is off.
  },
};

export interface TracingOptions {
  readonly service: string;
  readonly instance: string;
  readonly version: string;
  /** `OTEL_EXPORTER_OTLP_ENDPOINT`; null: off. */
  readonly endpoint: string | null;
  /** `OTEL_EXPORTER_OTLP_HEADERS`: sent with every batch. */
  readonly headers: Readonly<Record<string, string>> | null;
  readonly logger: Logger;
}

export async function startTracing(options: TracingOptions): Promise<Tracing> {
  const { endpoint } = options;
  if (endpoint === null) return NO_TRACING;
  const { startOtlpTracing } = await import("./otlp-tracing.ts");
  return startOtlpTracing({ ...options, endpoint });
}
