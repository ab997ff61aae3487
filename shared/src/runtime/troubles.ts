/**
 * The failing areas of a service. Each part reports its failures and successes here, by the name of its area; log lines, the
 * metric, warnings and `/readyz` are made from it.
 *
 *   clear ──failed──► OPEN ──LASTS_MS──► lasting      (`/readyz` says `degraded`)
 *     ▲                 │                   │
 *     └──worked, and no failure for QUIET_MS┘           ("… works again")
 *
 * Invariants:
 *  TROUBLE-1. The first failure of an area and code is logged immediately, with SQLSTATE and remedy; the next one of both after
 *     LOG_EVERY_MS at the earliest.
 *  TROUBLE-2. A success ends a trouble only when no failure came for QUIET_MS: an area in which every second statement fails is
 *     in trouble.
 *  TROUBLE-3. At most MOST_AREAS areas and MOST_CODES codes each are distinguished; the others are counted as `other`.
 *  TROUBLE-4. A trouble of `gaveUp` ends without a success, when no further failure follows: there is no retry.
 *  TROUBLE-5. A failure whose cause is the state of the database is logged by the database's health, once for all areas.
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

/** An area that fails now. */
export interface Trouble extends Failure {
  readonly area: string;
  readonly remedy: string;
  /** Milliseconds since its first failure. */
  readonly forMs: number;
  readonly lasts: boolean;
}

/** Takes the reports of the parts. */
export interface TroubleDesk {
  /** The area failed and will retry. */
  note(area: string, failure: Failure): void;
  /** The area failed and will not retry. */
  gaveUp(area: string, failure: Failure): void;
  /** The area worked. */
  clear(area: string): void;
  /** Calls `note` or `clear`. @returns the result */
  report<T extends Reported>(area: string, result: T): T;
}

type Reported = { readonly ok: true } | { readonly ok: false; readonly failure: Failure };

interface Open extends Failure {
  readonly since: number;
  lastAt: number;
  /** False once it worked, or gave up, after its last failure. */
  isPending: boolean;
  /** Its failure was logged, so its end will be. */
  isSaid: boolean;
}

export interface TroublesOptions {
  readonly clock: Pick<Clock, "now">;
  readonly logger: Logger;
  /** Receives each failure first. */
  readonly database?: DatabaseWitness;
}

/** The part of `DatabaseHealth` that is needed here. */
export interface DatabaseWitness {
  /** @returns true when the failure is one of the database as a whole, and is logged there */
  noted(failure: Failure): boolean;
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
  readonly #database: DatabaseWitness | null;
  readonly #open = new Map<string, Open>();
  readonly #counts = new Map<string, Map<string, number>>();

  constructor({ clock, logger, database }: TroublesOptions) {
    this.#clock = clock;
    this.#database = database ?? null;
    this.#logger = logger;
    this.#throttle = new LogThrottle(clock, LOG_EVERY_MS, MOST_AREAS * MOST_CODES);
  }

  note(area: string, failure: Failure): void {
    this.#failed(area, failure, true);
  }

  gaveUp(area: string, failure: Failure): void {
    this.#failed(area, failure, false); // TROUBLE-4
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

  /** The areas that fail now, the longest first. */
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

  /** Lasting troubles, for `/readyz`, without the message, because it may quote a row. */
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
    const isOfDatabase = this.#database?.noted(failure) === true; // TROUBLE-5
    const isSaid = (!isOfDatabase && this.#say(name, code, failure.message, isPending)) || before?.isSaid === true;
    this.#open.set(name, { code, message: failure.message, since, lastAt: now, isPending, isSaid });
  }

  #say(area: string, code: string, message: string, isPending: boolean): boolean {
    const unsaid = this.#throttle.admit(throttleKey(area, code)); // TROUBLE-1
    if (unsaid === null) return false;
    const remedy = remedyOf(code);
    const what = isPending ? "fails; retrying" : "failed; not retrying";
    this.#logger.error({ area, code, reason: printable(message), remedy, unsaid }, `${area} ${what}`);
    return true;
  }

  #count(area: string, code: string): void {
    const known = this.#counts.get(area);
    const key = known !== undefined || this.#counts.size < MOST_AREAS ? area : OTHER;
    const codes = this.#counts.get(key) ?? new Map<string, number>();
    this.#counts.set(key, codes);
    // TROUBLE-3
    const label = codes.has(code) || codes.size < MOST_CODES ? code : OTHER;
    codes.set(label, (codes.get(label) ?? 0) + 1);
  }

  #endOld(): void {
    const now = this.#clock.now();
    for (const [area, open] of this.#open) {
      if (open.isPending || now - open.lastAt < QUIET_MS) continue; // TROUBLE-2
      this.#open.delete(area);
      if (open.isSaid) this.#logger.info({ area, failed_for_ms: Math.round(now - open.since) }, `${area} works again`);
    }
  }
}

const ignore = (): void => undefined;

/** For a part alone, in tests and tools. */
export const NO_TROUBLES: TroubleDesk = {
  note: ignore,
  gaveUp: ignore,
  clear: ignore,
  report(_, result) {
    return result;
  },
};

/** What a role threw, as a failure; a database error keeps its code. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { code: THREW, message: String(error) };
  const { code } = error as Error & { readonly code?: unknown };
  return { code: typeof code === "string" ? code : THREW, message: error.message };
}

/** An unreachable database fails every area in the same way: one log line for all of them. */
function throttleKey(area: string, code: string): string {
  return isSqlState(code) || code === THREW || code === "DEADLINE" ? `${area} ${code}` : code;
}

/** A label must not contain a text from the network. */
function codeOf({ code }: Failure): string {
  return /^[0-9A-Z_]{2,32}$/.test(code) ? code : THREW;
}
