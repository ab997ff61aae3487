/**
 * Tracing by OpenTelemetry: OTLP over HTTP, in JSON. The only importer of its packages, and loaded only where an endpoint
 * is configured (`tracing.ts`). Nothing is registered globally: two services of one process have a provider each.
 */
import { type Context, DiagLogLevel, diag, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { readTraceparent, writeTraceparent } from "../protocol/traceparent.ts";
import { SYSTEM_CLOCK } from "./clock.ts";
import { LogThrottle } from "./log-throttle.ts";
import { type Logger, printable } from "./logger.ts";
import { pause } from "./pause.ts";
import type { OpenSpan, SpanStart, Tracing, TracingOptions } from "./tracing.ts";

/** What waits for the collector; more is dropped. */
const MOST_WAITING = 8_192;
const EVERY_MS = 1_000;
const EXPORT_TIMEOUT_MS = 5_000;
const STOP_MS = 1_000;

const KINDS: Readonly<Record<SpanStart["name"], SpanKind>> = {
  create: SpanKind.PRODUCER,
  send: SpanKind.PRODUCER,
  process: SpanKind.CONSUMER,
  settle: SpanKind.CONSUMER,
};

export function startOtelTracing(options: TracingOptions & { readonly endpoint: string }): Tracing {
  const { service, instance, version, endpoint, logger } = options;
  tellFaults(logger);
  const url = `${endpoint.replace(/\/+$/, "")}/v1/traces`;
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS });
  const processor = new BatchSpanProcessor(exporter, {
    maxQueueSize: MOST_WAITING,
    scheduledDelayMillis: EVERY_MS,
    exportTimeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      "service.name": `acktor-${service}`,
      "service.instance.id": instance,
      "service.version": version,
    }),
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer("acktor", version);
  let stopping: Promise<void> | null = null;
  return {
    on: true,
    begin(start) {
      const span = tracer.startSpan(
        start.name,
        {
          kind: KINDS[start.name],
          startTime: Date.now() - (start.startedAgoMs ?? 0),
          attributes: attributesOf(start),
        },
        contextOf(start.parent),
      );
      return open(span);
    },
    stop() {
      const shutdown = async (): Promise<void> => {
        const done = new AbortController();
        const flushed = provider.shutdown().catch(() => "told by the diagnostics");
        await Promise.race([flushed, pause(STOP_MS, done.signal)]);
        done.abort();
      };
      stopping ??= shutdown();
      return stopping;
    },
  };
}

function open(span: ReturnType<ReturnType<BasicTracerProvider["getTracer"]>["startSpan"]>): OpenSpan {
  const { traceId, spanId, traceFlags } = span.spanContext();
  let ended = false;
  return {
    traceparent: writeTraceparent({ traceId, spanId, flags: traceFlags }),
    end({ outcome, failed = false, messageId } = {}) {
      if (ended) return;
      ended = true;
      if (outcome !== undefined) span.setAttribute("acktor.outcome", outcome);
      if (messageId !== undefined) span.setAttribute("messaging.message.id", messageId);
      if (failed)
        span.setStatus({ code: SpanStatusCode.ERROR, ...(outcome === undefined ? {} : { message: outcome }) });
      span.end();
    },
  };
}

/** Names of the semantic conventions for messaging. */
function attributesOf({ name, messageId, topic, attempt }: SpanStart): Record<string, string | number> {
  return {
    "messaging.system": "mqtt",
    "messaging.operation.name": name,
    ...(messageId === undefined ? {} : { "messaging.message.id": messageId }),
    ...(topic === undefined ? {} : { "messaging.destination.name": topic }),
    ...(attempt === undefined ? {} : { "acktor.attempt": attempt }),
  };
}

function contextOf(parent: string | null): Context {
  const read = readTraceparent(parent);
  if (read === null) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = read;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: flags, isRemote: true });
}

/** A collector that is away is said once a minute; what OpenTelemetry says of it is foreign text. */
function tellFaults(logger: Logger): void {
  const throttle = new LogThrottle(SYSTEM_CLOCK);
  const say = (message: string): void => {
    const unsaid = throttle.admit("traces");
    if (unsaid !== null) logger.warn({ reason: printable(message), unsaid }, "traces could not be exported");
  };
  const silent = (): void => undefined;
  diag.setLogger(
    { error: say, warn: silent, info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
  );
}
