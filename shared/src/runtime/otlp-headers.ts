/** `OTEL_EXPORTER_OTLP_HEADERS`: `name=value,name=value`, the values percent-encoded, as OpenTelemetry defines it. */

const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const VALUE = /^[\x20-\x7e]*$/;
/** The exporter and HTTP set these. */
const RESERVED = /^(connection|content-.*|expect|host|keep-alive|te|trailer|transfer-encoding|upgrade)$/;

/** @returns headers by lower-case name; or the fault, which never shows a value */
export function readOtlpHeaders(text: string): Readonly<Record<string, string>> | string {
  const headers: Record<string, string> = {};
  for (const [at, item] of text.split(",").entries()) {
    if (item.trim() === "") continue;
    const middle = item.indexOf("=");
    const name = item.slice(0, Math.max(0, middle)).trim().toLowerCase();
    if (!NAME.test(name)) return `has an item ${at + 1} that is not name=value`;
    if (RESERVED.test(name)) return `sets ${name}, which is not a header for credentials`;
    const value = percentDecoded(item.slice(middle + 1).trim());
    if (value === null || !VALUE.test(value)) return `has an item ${at + 1} whose value is not percent-encoded ASCII`;
    headers[name] = value;
  }
  return headers;
}

/** Null where the encoding is malformed. */
export function percentDecoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
