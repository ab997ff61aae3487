/**
 * Spans of OpenTelemetry, sent as OTLP. Loaded only where an endpoint is configured (`tracing.ts`).
 *
 * Invariants:
 *  OTLP_SPANS-1. A span below a parent that is not sampled is not sent, and passes the parent's decision on.
 */
import { randomBytes } from "node:crypto";
import { readTraceparent, type TraceParent, writeTraceparent } from "../protocol/traceparent.ts";
import { SYSTEM_CLOCK } from "./clock.ts";
import { attributesOf, SpanExporter } from "./span-exporter.ts";
import type { OpenSpan, SpanEnd, SpanStart, Tracing, TracingOptions } from "./tracing.ts";

const SAMPLED = 1;
/** Numbers of OTLP. */
const PRODUCER = 4;
const CONSUMER = 5;
const STATUS_ERROR = 2;
const KINDS: Readonly<Record<SpanStart["name"], number>> = {
  create: PRODUCER,
  send: PRODUCER,
  process: CONSUMER,
  settle: CONSUMER,
};

export function startOtlpTracing(options: TracingOptions & { readonly endpoint: string }): Tracing {
  return new OtlpTracing(new SpanExporter(options));
}

class OtlpTracing implements Tracing {
  readonly on = true;
  readonly #exporter: SpanExporter;

  constructor(exporter: SpanExporter) {
    this.#exporter = exporter;
  }

  begin(start: SpanStart): OpenSpan {
    return new Span(start, this.#exporter);
  }

  stop(): Promise<void> {
    return this.#exporter.stop();
  }
}

class Span implements OpenSpan {
  readonly traceparent: string;
  readonly #start: SpanStart;
  readonly #exporter: SpanExporter;
  readonly #parent: TraceParent | null;
  readonly #context: TraceParent;
  readonly #begunAt: number;
  #ended = false;

  constructor(start: SpanStart, exporter: SpanExporter) {
    const parent = readTraceparent(start.parent);
    this.#start = start;
    this.#exporter = exporter;
    this.#parent = parent;
    this.#context = {
      traceId: parent?.traceId ?? randomBytes(16).toString("hex"),
      spanId: randomBytes(8).toString("hex"),
      flags: parent === null ? SAMPLED : parent.flags & SAMPLED, // OTLP_SPANS-1
    };
    this.#begunAt = SYSTEM_CLOCK.now() - (start.startedAgoMs ?? 0);
    this.traceparent = writeTraceparent(this.#context);
  }

  end({ outcome, failed = false, messageId = this.#start.messageId }: SpanEnd = {}): void {
    if (this.#ended) return;
    this.#ended = true;
    const { traceId, spanId, flags } = this.#context;
    if ((flags & SAMPLED) === 0) return; // OTLP_SPANS-1
    const { name, topic, attempt } = this.#start;
    const tookMs = SYSTEM_CLOCK.now() - this.#begunAt;
    const endedAt = SYSTEM_CLOCK.wallClock();
    this.#exporter.add({
      traceId,
      spanId,
      ...(this.#parent === null ? {} : { parentSpanId: this.#parent.spanId }),
      name,
      kind: KINDS[name],
      startTimeUnixNano: nanoseconds(endedAt - tookMs),
      endTimeUnixNano: nanoseconds(endedAt),
      // Names of the semantic conventions for messaging.
      attributes: attributesOf({
        "messaging.system": "mqtt",
        "messaging.operation.name": name,
        "messaging.message.id": messageId,
        "messaging.destination.name": topic,
        "acktor.attempt": attempt,
        "acktor.outcome": outcome,
      }),
      status: failed ? { code: STATUS_ERROR, ...(outcome === undefined ? {} : { message: outcome }) } : {},
    });
  }
}

/** Text, because a number holds no nanoseconds of today. */
function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1_000)}000`;
}
