/** A logger that keeps its lines for the test. */
import { createLogger, type Logger } from "@acktor/shared/runtime/logger";

export interface KeptLogger {
  readonly logger: Logger;
  /** The lines as written. */
  readonly lines: string[];
  /** The lines' messages. */
  messages(): string[];
}

export function keptLogger(level = "debug"): KeptLogger {
  const lines: string[] = [];
  const logger = createLogger("publisher", "one", level, { write: (line: string) => void lines.push(line) });
  return { logger, lines, messages: () => lines.map((line) => (JSON.parse(line) as { msg: string }).msg) };
}
