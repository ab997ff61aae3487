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

export class StreamTerminal implements Terminal {
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  readonly inIsTerminal: boolean;
  readonly columns: number | null;
  readonly #out: TerminalDoor;
  readonly #err: TerminalDoor;
  readonly #hasColours: boolean;
  readonly #isDumb: boolean;

  constructor(streams: Streams, env: Environment, wantsColour: boolean) {
    this.#out = new TerminalDoor(streams.stdout);
    this.#err = new TerminalDoor(streams.stderr);
    this.outIsTerminal = this.#out.isTerminal;
    this.errIsTerminal = this.#err.isTerminal;
    this.inIsTerminal = streams.stdin.isTTY === true;
    this.columns = this.#out.columns;
    this.#isDumb = env["TERM"] === "dumb";
    // TERMINAL-1
    this.#hasColours = wantsColour && this.outIsTerminal && !env["NO_COLOR"] && !this.#isDumb;
  }

  out(text: string): void {
    this.#out.say(text);
  }

  json(value: object): void {
    this.#out.json(value);
  }

  note(text: string): void {
    this.#err.say(text);
  }

  ask(text: string): void {
    this.#err.write(text);
  }

  paint(style: Style, text: string): string {
    return this.#hasColours ? mark(style, text) : text;
  }

  clear(): void {
    if (!this.#isDumb) this.#out.clear();
  }

  redraw(text: string): void {
    this.#err.redraw(text);
  }
}
