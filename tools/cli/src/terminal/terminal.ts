/**
 * Where a command writes: results to standard output, everything else to standard error.
 *
 * Invariants:
 *  1. No escape sequence goes to what is no terminal, nor anywhere with NO_COLOR set or --no-color given.
 *  2. Who stops reading (`| head`) ends the command in silence.
 */
import type { Environment } from "../environment.ts";

export type Style = "good" | "warning" | "bad" | "faint";

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  good: [32, 39],
  warning: [33, 39],
  bad: [31, 39],
  faint: [2, 22],
};

export interface Terminal {
  /** A result, ended by a line end. */
  out(text: string): void;
  /** Progress, warnings, errors. */
  note(text: string): void;
  /** Text in a colour where standard output shows colours. */
  paint(style: Style, text: string): string;
  /** Clears the screen, where standard output is one. */
  clear(): void;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  readonly inIsTerminal: boolean;
  /** Columns of standard output; null where it is no terminal. */
  readonly columns: number | null;
  /** Writes over the line that standard error shows; nothing where it is no terminal. */
  redraw(text: string): void;
}

export interface Streams {
  readonly stdin: { readonly isTTY?: boolean };
  readonly stdout: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };
  readonly stderr: { readonly isTTY?: boolean; write(text: string): unknown };
}

export function makeTerminal(streams: Streams, env: Environment, wantsColour: boolean): Terminal {
  const { stdin, stdout, stderr } = streams;
  const outIsTerminal = stdout.isTTY === true;
  const errIsTerminal = stderr.isTTY === true;
  const colours = wantsColour && outIsTerminal && !env["NO_COLOR"] && env["TERM"] !== "dumb";
  return {
    outIsTerminal,
    errIsTerminal,
    inIsTerminal: stdin.isTTY === true,
    // A terminal that does not know its size says 0.
    columns: outIsTerminal ? stdout.columns || null : null,
    out: (text) => void stdout.write(`${text}\n`),
    note: (text) => void stderr.write(`${text}\n`),
    paint(style, text) {
      const [on, off] = CODES[style];
      return colours ? `\u001b[${on}m${text}\u001b[${off}m` : text;
    },
    clear: () => void (outIsTerminal && env["TERM"] !== "dumb" && stdout.write("\u001b[2J\u001b[H")),
    redraw: (text) => void (errIsTerminal && stderr.write(`\r\u001b[2K${text}`)),
  };
}
