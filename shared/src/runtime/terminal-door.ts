/**
 * Writes to standard output and standard error: the only file of the tools and services that does.
 *
 * Invariants:
 *  DOOR-1. Nothing passes but printable text, line ends, and what this file itself adds for a terminal (colours, clearing,
 *          redrawing a line). An escape sequence in a text is shown and has no effect.
 *  DOOR-2. Colours are marked by a word that is random at each start: no foreign text can contain it.
 *  DOOR-3. Only printable text is written to a pipe or file.
 */
import { randomBytes } from "node:crypto";
import { jsonLine, printable, printableLines } from "./printable.ts";

export interface OutStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export type Style = "good" | "warning" | "bad" | "faint";

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  good: [32, 39],
  warning: [33, 39],
  bad: [31, 39],
  faint: [2, 22],
};
const STYLES = Object.keys(CODES) as Style[];

/** DOOR-2. Noncharacters, which `printable` spells in any foreign text: ten of thirty-two, 50 bits. */
const WORD = [...randomBytes(10)].map((byte) => String.fromCharCode(0xfdd0 + (byte % 32))).join("");
const MARK = new RegExp(`${WORD}([0-7])`);
/** What marks leave a text's width and cut as: nothing. */
const MARKS = new RegExp(`${WORD}[0-7]`, "g");

/** A text that the door shows in a colour. The text may be foreign. */
export function mark(style: Style, text: string): string {
  const at = 2 * STYLES.indexOf(style);
  return `${WORD}${at}${printable(text)}${WORD}${at + 1}`;
}

/** A text without the marks of its colours. */
export function withoutMarks(text: string): string {
  return text.replace(MARKS, "");
}

export class TerminalDoor {
  readonly isTerminal: boolean;
  readonly #stream: OutStream;

  constructor(stream: OutStream) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY === true;
  }

  /** Columns; null where it is no terminal, or one that does not know its size and says 0. */
  get columns(): number | null {
    return this.isTerminal ? this.#stream.columns || null : null;
  }

  /** One or more lines, as they are meant; ended by a line end. */
  say(text: string): void {
    this.#stream.write(`${this.#clean(text)}\n`);
  }

  /** One line of JSON. */
  json(value: unknown): void {
    this.#stream.write(`${jsonLine(value)}\n`);
  }

  /** Without a line end behind it: a question, or a text that has its own. */
  write(text: string): void {
    this.#stream.write(this.#clean(text));
  }

  /** Writes over the line that is shown; nothing where it is no terminal. DOOR-3 */
  redraw(text: string): void {
    if (this.isTerminal) this.#stream.write(`\r\u001b[2K${printable(text)}`);
  }

  clear(): void {
    if (this.isTerminal) this.#stream.write("\u001b[2J\u001b[H");
  }

  /** DOOR-1. */
  #clean(text: string): string {
    const [first = "", ...rest] = text.split(MARK);
    let clean = printableLines(first);
    for (let at = 0; at < rest.length; at += 2)
      clean += this.#colour(Number(rest[at])) + printableLines(rest[at + 1] ?? "");
    return clean;
  }

  #colour(number: number): string {
    const style = STYLES[number >> 1];
    // DOOR-3
    return style === undefined || !this.isTerminal ? "" : `\u001b[${CODES[style][number % 2]}m`;
  }
}

/** Of this process. */
export const standardOutput = new TerminalDoor(process.stdout);
export const standardError = new TerminalDoor(process.stderr);

/** For other doors; every write goes through one. */
export const standardStreams = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr } as const;

/** Calls when the reader of either stream is closed. */
export function onReaderGone(listener: () => void): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", listener);
}

/** Resolves when everything written has reached a pipe. */
export async function flushStandardStreams(): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    await new Promise<void>((resolve) => stream.write("", () => resolve()));
}

/** An error for people; its message may be foreign text. */
export function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
