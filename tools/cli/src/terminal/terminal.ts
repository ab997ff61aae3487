/**
 * Where a command writes: results to standard output, everything else to standard error, both through a door that lets no
 * foreign escape sequence pass (DOOR-1 in shared/src/runtime/terminal-door.ts).
 *
 * Invariants:
 *  1. No escape sequence goes to what is no terminal, nor anywhere with NO_COLOR set or --no-color given.
 *  2. Who stops reading (`| head`) ends the command in silence.
 */
import { mark, type OutStream, type Style, TerminalDoor } from "@acktor/shared/runtime/terminal-door";
import type { Environment } from "../environment.ts";

export interface Terminal {
  /** A result, ended by a line end. */
  out(text: string): void;
  /** A result as one line of JSON. */
  json(value: object): void;
  /** Progress, warnings, errors. */
  note(text: string): void;
  /** A question on standard error: the cursor stays behind it. */
  ask(text: string): void;
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
  readonly stdout: OutStream;
  readonly stderr: OutStream;
}

export function makeTerminal(streams: Streams, env: Environment, wantsColour: boolean): Terminal {
  const out = new TerminalDoor(streams.stdout);
  const err = new TerminalDoor(streams.stderr);
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
