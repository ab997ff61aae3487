/**
 * Whether PostgreSQL takes writes, and if not, why: from a probe each second, and immediately from statements that failed.
 *
 *   unknown ──probe──► ok ◄──probe (with a write, where the disk was full)── read_only, full_disk, unreachable, …
 *                      └──a failed probe or statement──────────────────────────►
 *
 * Invariants:
 *  DATABASE_HEALTH-1. A database that answers and refuses writes counts as down.
 *  DATABASE_HEALTH-2. After a refused write it counts as up when a probe finds it writable and no write was refused for QUIET_MS;
 *            after a full disk the probe writes, too. A write refused for another reason changes nothing.
 *  DATABASE_HEALTH-3. Each state is logged once, with its remedy, and its end once; the same state again after LOG_EVERY_MS.
 *  DATABASE_HEALTH-4. A statement that was merely slow, or found no free connection, is no evidence; the probe decides.
 *  DATABASE_HEALTH-5. Listeners are notified at the first time that it is up, and at each return.
 */
import type { Clock } from "./clock.ts";
import { type DatabaseKind, type DatabaseState, type StateFailure, stateOf, stateOfKind } from "./database-state.ts";
import type { DbFailure } from "./db-result.ts";
import { LogThrottle } from "./log-throttle.ts";
import { type Logger, printable } from "./logger.ts";
import { remedyOf } from "./sqlstate.ts";

export interface DatabaseListener {
  databaseReturned(): void;
}

/** What a probe reads. */
export interface DatabaseFacts {
  readonly standby: boolean;
  readonly read_only: boolean;
  /** The schema's tables are there. */
  readonly whole: boolean;
}

type Probed =
  | { readonly ok: true; readonly rows: readonly DatabaseFacts[] }
  | { readonly ok: false; readonly failure: StateFailure & { readonly kind: DbFailure["kind"] } };

export interface DatabaseHealthOptions {
  readonly clock: Pick<Clock, "now">;
  readonly logger: Logger;
}

const QUIET_MS = 3_000;
const LOG_EVERY_MS = 60_000;
/** DATABASE_HEALTH-4; a missing table may be one that a handler or a trigger names. */
const FOR_THE_PROBE: ReadonlySet<DatabaseKind> = new Set([
  "slow",
  "too_many_connections",
  "out_of_resources",
  "schema",
]);
const REFUSES_WRITES: ReadonlySet<DatabaseKind> = new Set(["read_only", "standby", "full_disk"]);

export class DatabaseHealth {
  readonly #clock: Pick<Clock, "now">;
  readonly #logger: Logger;
  readonly #throttle: LogThrottle;
  readonly #listeners: DatabaseListener[] = [];
  /** These four are written by `#become`. */
  #state = stateOfKind("unknown");
  #detail = "";
  #since: number;
  #isSaid = false;
  #refusedAt = Number.NEGATIVE_INFINITY;

  constructor({ clock, logger }: DatabaseHealthOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#throttle = new LogThrottle(clock, LOG_EVERY_MS);
    this.#since = clock.now();
  }

  get state(): DatabaseState {
    return this.#state;
  }

  listen(listener: DatabaseListener): void {
    this.#listeners.push(listener);
  }

  isUp(): boolean {
    return this.#state.kind === "ok";
  }

  /** For `/readyz`: `ok`, or the state with its cause and remedy. */
  line(): string {
    const { kind, says, remedy } = this.#state;
    return kind === "ok" ? "ok" : `${kind}: ${says}${this.#detail === "" ? "" : ` (${this.#detail})`}. ${remedy}`;
  }

  /** True when the next probe has to write. */
  needsWrite(): boolean {
    return this.#state.kind === "full_disk";
  }

  /** The state behind a failure; a standby is known from the probe alone. */
  explain(failure: StateFailure): DatabaseState | null {
    const state = stateOf(failure);
    return state?.kind === "read_only" && this.#state.kind === "standby" ? this.#state : state;
  }

  /** A statement failed. @returns true when the cause is a state of the database, which is logged here */
  noted(failure: StateFailure): boolean {
    const state = this.explain(failure);
    if (state === null || FOR_THE_PROBE.has(state.kind)) return false; // DATABASE_HEALTH-4
    if (REFUSES_WRITES.has(state.kind)) this.#refusedAt = this.#clock.now();
    this.#become(state, failure.code); // DATABASE_HEALTH-1
    return true;
  }

  /** The probe's answer; one without facts means that it works. */
  probed(result: Probed): void {
    const state = result.ok ? null : stateOf(result.failure);
    if (!result.ok && (state !== null || result.failure.kind !== "rejected" || result.failure.code === "POOLER_MODE")) {
      this.#become(state ?? stateOfKind("unreachable"), result.failure.code, result.failure.message);
      return;
    }
    if (!result.ok && this.needsWrite()) {
      this.#cannotTell(result.failure);
      return;
    }
    // A refusal that is no state of the database is an answer.
    const [facts] = result.ok ? result.rows : [];
    if (facts?.standby) this.#become(stateOfKind("standby"), "25006");
    else if (facts?.read_only) this.#become(stateOfKind("read_only"), "25006");
    else if (facts?.whole === false) this.#become(stateOfKind("schema"), "42P01");
    // DATABASE_HEALTH-2
    else if (!this.#isRefusing()) this.#become(stateOfKind("ok"), "");
  }

  /** DATABASE_HEALTH-2: the write was refused for another reason, as the missing right on its table. */
  #cannotTell({ code }: StateFailure): void {
    const remedy = remedyOf(code);
    this.#detail = `the probe's write was refused with ${code}: ${remedy}`;
    const unsaid = this.#throttle.admit(code);
    if (unsaid !== null) this.#logger.error({ code, remedy, unsaid }, "The probe of the disk was refused");
  }

  #isRefusing(): boolean {
    return REFUSES_WRITES.has(this.#state.kind) && this.#clock.now() - this.#refusedAt < QUIET_MS;
  }

  #become(state: DatabaseState, code: string, message = ""): void {
    const before = this.#state;
    if (before.kind === state.kind) return;
    const now = this.#clock.now();
    const wasSince = this.#since;
    this.#state = state;
    this.#detail = code;
    this.#since = now;
    if (state.kind !== "ok") {
      this.#say(state, code, message);
      return;
    }
    if (this.#isSaid) {
      this.#logger.info({ was: before.kind, for_ms: Math.round(now - wasSince) }, "PostgreSQL works again");
    } else if (before.kind === "unknown") this.#logger.info({}, "PostgreSQL answers");
    this.#isSaid = false;
    // DATABASE_HEALTH-5
    for (const listener of this.#listeners) listener.databaseReturned();
  }

  /** DATABASE_HEALTH-3 */
  #say({ kind, says, remedy }: DatabaseState, code: string, message: string): void {
    const unsaid = this.#throttle.admit(kind);
    if (unsaid === null) return;
    this.#isSaid = true;
    const reason = message === "" ? {} : { reason: printable(message) };
    this.#logger.error({ state: kind, code, ...reason, remedy, unsaid }, says);
  }
}

/** For a part alone, in tests and tools: a database that always works. */
export const HEALTHY: Pick<DatabaseHealth, "explain" | "isUp" | "state"> = {
  explain: stateOf,
  isUp: () => true,
  state: stateOfKind("ok"),
};
