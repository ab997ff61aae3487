/**
 * Where a command writes: results to standard output, everything else to standard error, both through a door that escapes
 * foreign control characters (DOOR-1 in shared/src/runtime/terminal-door.ts).
 *
 * Invariants:
 *  TERMINAL-1. No colour is written to a file or a pipe, nor with NO_COLOR, --no-color or TERM=dumb.
 */
import { mark, type OutStream, type Style, TerminalDoor } from "@acktor/shared/runtime/terminal-door";
import type { Environment } from "../environment.ts";

export interface Terminal {
  /** A result, followed by a line end. */
  out(text: string): void;
  /** A result as one line of JSON. */
  json(value: object): void;
  /** Progress, warnings, errors. */
  note(text: string): void;
  /** A question on standard error; the cursor stays on its line. */
  ask(text: string): void;
  /** Text in a colour, if standard output shows colours. */
  paint(style: Style, text: string): string;
  /** Clears the screen, if standard output is a terminal. */
  clear(): void;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  readonly inIsTerminal: boolean;
  /** Columns of standard output; null if it is not a terminal. */
  readonly columns: number | null;
  /** Replaces the current line of standard error, if it is a terminal. */
  redraw(text: string): void;
}

export interface Streams {
  readonly stdin: { readonly isTTY?: boolean };
  readonly stdout: OutStream;
  readonly stderr: OutStream;
}

export function makeTerminal(streams: Streams, env: Environment, wantsColour: boolean): Terminal {
  const out = new TerminalDoor(streams.stdout);
  const err = new TerminalDoor(streams.stderr);
  // TERMINAL-1
  const colours = wantsColour && out.isTerminal && !env["NO_COLOR"] && env["TERM"] !== "dumb";
  return {
    outIsTerminal: out.isTerminal,
    errIsTerminal: err.isTerminal,
    inIsTerminal: streams.stdin.isTTY === true,
    columns: out.columns,
    out: (text) => out.say(text),
    json: (value) => out.json(value),
    note: (text) => err.say(text),
    ask: (text) => err.write(text),
    paint: (style, text) => (colours ? mark(style, text) : text),
    clear: () => void (env["TERM"] !== "dumb" && out.clear()),
    redraw: (text) => err.redraw(text),
  };
}
