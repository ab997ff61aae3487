/** JSON logs, one line an event. The only importer of pino. */
import { type DestinationStream, pino } from "pino";
import { escapeJson } from "./printable.ts";

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  fatal(fields: object, message: string): void;
}

/** Values under these names never reach a log line. */
const SECRET_FIELDS = [
  "password",
  "token",
  "secret",
  "authorization",
  "*.password",
  "*.token",
  "*.secret",
  "*.authorization",
];

/**
 * Makes the logger of one process.
 * @param stream where lines go; standard output when absent. Writes are buffered by the stream, never awaited.
 */
export function createLogger(service: string, instance: string, level: string, stream?: DestinationStream): Logger {
  const options = {
    level,
    base: { "service.name": `acktor-${service}`, "service.instance.id": instance },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET_FIELDS, censor: "[secret]" },
  };
  const target = stream ?? pino.destination(1);
  // pino escapes C0 alone; a server's error text may hold U+009B, which some terminals obey. 0.6 µs a line.
  return pino(options, { write: (line) => void target.write(escapeJson(line)) });
}

/** Foreign text made safe for one log line: control characters escaped, length bounded. */
export function printable(text: string, limit = 200): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped
  const escaped = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return escaped.length > limit ? `${escaped.slice(0, limit)}…` : escaped;
}
