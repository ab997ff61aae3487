/** W3C Trace Context, version 00: the header that connects a message's spans. */

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
}

/** Reads a text; null where it is not a traceparent of version 00: then a new trace begins, as the standard requires. */
export function readTraceparent(text: string | null): TraceParent | null {
  const match = text === null ? null : TRACEPARENT.exec(text);
  if (match === null) return null;
  const [, traceId = "", spanId = "", flags = ""] = match;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

export function writeTraceparent({ traceId, spanId, flags }: TraceParent): string {
  return `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, "0")}`;
}
