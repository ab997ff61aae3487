/** A progress bar on standard error, if that is a terminal. */
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Terminal } from "./terminal.ts";

const BAR = 30;
const REDRAW_MS = 100;

export class Progress {
  readonly #terminal: Terminal;
  readonly #total: number;
  readonly #clock: Pick<Clock, "now">;
  #label = "";
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(terminal: Terminal, total: number, clock: Pick<Clock, "now">) {
    this.#terminal = terminal;
    this.#total = total;
    this.#clock = clock;
  }

  /** Draws at most ten times a second; always draws the last state. */
  show(label: string, done: number): void {
    const isLast = done >= this.#total || label !== this.#label;
    if (!isLast && this.#clock.now() - this.#drawnAt < REDRAW_MS) return;
    this.#label = label;
    this.#drawnAt = this.#clock.now();
    this.#terminal.redraw(`${label} ${renderBar(done, this.#total)}`);
  }

  /** Removes the bar. A second call has no effect. */
  end(): void {
    this.#terminal.redraw("");
  }
}

/** `[####------] 40 % 4/10` */
export function renderBar(done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.floor(share * BAR);
  return `[${"#".repeat(full)}${"-".repeat(BAR - full)}] ${Math.floor(share * 100)} % ${done}/${total}`;
}
