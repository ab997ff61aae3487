/**
 * What fails in a service, in one place: each part reports its failures and its successes here, by the name of its area.
 * Log lines, the metric, warnings and `/readyz` are made from it.
 *
 *   clear ──failed──► OPEN ──LASTS_MS──► lasting      (`/readyz` says `degraded`)
 *     ▲                 │                   │
 *     └──worked, and no failure for QUIET_MS┘           ("… works again")
 *
 * Invariants:
 *  TROUBLE-1. The first failure of an area and code is logged at once, with SQLSTATE and remedy; the next one of the two
 *     after LOG_EVERY_MS at the earliest.
 *  TROUBLE-2. A success ends a trouble only when no failure came for QUIET_MS: an area of which every second statement
 *     fails is in trouble.
 *  TROUBLE-3. At most MOST_AREAS areas and MOST_CODES codes of each are told apart; the rest is counted as `other`.
 *  TROUBLE-4. What is given up (`gaveUp`) is not tried again: its trouble ends by itself, when nothing new follows.
 */
import type { Clock } from "./clock.ts";
import { LogThrottle } from "./log-throttle.ts";
import { type Logger, printable } from "./logger.ts";
import type { Samples } from "./metric-table.ts";
import { isSqlState, remedyOf, THREW } from "./sqlstate.ts";

/** The part of a `DbFailure` that is needed here. */
export interface Failure {
  /** SQLSTATE, the driver's code, or EXCEPTION. */
  readonly code: string;
  readonly message: string;
}

/** What fails now. */
export interface Trouble extends Failure {
  readonly area: string;
  readonly remedy: string;
  /** Milliseconds since its first failure. */
  readonly forMs: number;
  readonly lasts: boolean;
}

/** What parts report to. */
export interface TroubleDesk {
  /** It failed and will be tried again. */
  note(area: string, failure: Failure): void;
  /** It failed and will not be tried again. */
  gaveUp(area: string, failure: Failure): void;
  /** It worked. */
  clear(area: string): void;
  /** Notes or clears by a result. @returns the result */
  report<T extends Reported>(area: string, result: T): T;
}

type Reported = { readonly ok: true } | { readonly ok: false; readonly failure: Failure };

interface Open extends Failure {
  readonly since: number;
  lastAt: number;
  /** False once it worked, or was given up, after its last failure. */
  isPending: boolean;
  /** Its failure was logged, so its end is. */
  isSaid: boolean;
}

export interface TroublesOptions {
  readonly clock: Pick<Clock, "now">;
  readonly logger: Logger;
}

const LASTS_MS = 10_000;
const QUIET_MS = 3_000;
const LOG_EVERY_MS = 60_000;
const MOST_AREAS = 64;
const MOST_CODES = 16;
const OTHER = "other";

export class Troubles implements TroubleDesk {
  readonly #clock: Pick<Clock, "now">;
  readonly #logger: Logger;
  readonly #throttle: LogThrottle;
  readonly #open = new Map<string, Open>();
  readonly #counts = new Map<string, Map<string, number>>();

  constructor({ clock, logger }: TroublesOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#throttle = new LogThrottle(clock, LOG_EVERY_MS, MOST_AREAS * MOST_CODES);
  }

  note(area: string, failure: Failure): void {
    this.#failed(area, failure, true);
  }

  gaveUp(area: string, failure: Failure): void {
    this.#failed(area, failure, false);
  }

  clear(area: string): void {
    if (this.#open.size === 0) return;
    const open = this.#open.get(area);
    if (open === undefined) return;
    open.isPending = false;
    this.#endOld();
  }

  report<T extends Reported>(area: string, result: T): T {
    if (result.ok) this.clear(area);
    else this.note(area, result.failure);
    return result;
  }

  /** What fails now, the longest first. */
  list(): Trouble[] {
    this.#endOld();
    const now = this.#clock.now();
    const troubles = [...this.#open].map(([area, { code, message, since, lastAt, isPending }]): Trouble => {
      const forMs = now - since;
      const lasts = (isPending ? now : lastAt) - since >= LASTS_MS;
      return { area, code, message, remedy: remedyOf(code), forMs, lasts };
    });
    return troubles.sort((a, b) => b.forMs - a.forMs);
  }

  /** Those that last, for `/readyz`: no message, because it may quote a row. */
  checks(): Record<string, string> {
    const lasting = this.list().filter(({ lasts }) => lasts);
    return Object.fromEntries(lasting.map(({ area, code, remedy }) => [area, `failing (${code}): ${remedy}`]));
  }

  /** Failures so far, by area and code. */
  counts(): Samples {
    return [...this.#counts].flatMap(([area, codes]) =>
      [...codes].map(([code, count]) => [{ area, code }, count] as const),
    );
  }

  #failed(area: string, failure: Failure, isPending: boolean): void {
    const name = this.#open.has(area) || this.#open.size < MOST_AREAS ? area : OTHER;
    const code = codeOf(failure);
    const now = this.#clock.now();
    this.#count(name, code);
    const before = this.#open.get(name);
    const since = before?.since ?? now;
    const isSaid = this.#say(name, code, failure.message, isPending) || before?.isSaid === true;
    this.#open.set(name, { code, message: failure.message, since, lastAt: now, isPending, isSaid });
  }

  #say(area: string, code: string, message: string, isPending: boolean): boolean {
    const unsaid = this.#throttle.admit(throttleKey(area, code));
    if (unsaid === null) return false;
    const remedy = remedyOf(code);
    const what = isPending ? "fails; it is tried again" : "failed and was given up";
    this.#logger.error({ area, code, reason: printable(message), remedy, unsaid }, `${area} ${what}`);
    return true;
  }

  #count(area: string, code: string): void {
    const known = this.#counts.get(area);
    const key = known !== undefined || this.#counts.size < MOST_AREAS ? area : OTHER;
    const codes = this.#counts.get(key) ?? new Map<string, number>();
    this.#counts.set(key, codes);
    const label = codes.has(code) || codes.size < MOST_CODES ? code : OTHER;
    codes.set(label, (codes.get(label) ?? 0) + 1);
  }

  #endOld(): void {
    const now = this.#clock.now();
    for (const [area, open] of this.#open) {
      if (open.isPending || now - open.lastAt < QUIET_MS) continue;
      this.#open.delete(area);
      if (open.isSaid) this.#logger.info({ area, failed_for_ms: Math.round(now - open.since) }, `${area} works again`);
    }
  }
}

/** For a part that is alone, in tests and tools. */
export const NO_TROUBLES: TroubleDesk = {
  note: () => undefined,
  gaveUp: () => undefined,
  clear: () => undefined,
  report: (_, result) => result,
};

/** What a role threw, as a failure; an error of the database keeps its code. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { code: THREW, message: String(error) };
  const { code } = error as Error & { readonly code?: unknown };
  return { code: typeof code === "string" ? code : THREW, message: error.message };
}

/** A database that is away fails every area alike: one line says so, and not one for each. */
function throttleKey(area: string, code: string): string {
  return isSqlState(code) || code === THREW || code === "DEADLINE" ? `${area} ${code}` : code;
}

/** A label must not hold what a stranger chooses. */
function codeOf({ code }: Failure): string {
  return /^[0-9A-Z_]{2,32}$/.test(code) ? code : THREW;
}
