/**
 * The only door to PostgreSQL. A unit of work is one statement; there is no transaction API (transactions of the driver can
 * cross callers when a backend dies: porsager/postgres #1133, #1155, #1208).
 *
 * Invariants:
 *  POOL-1. Every statement has a result, rows or a failure of a kind, at most `deadlineMs` after `run` was called. The server
 *          ends it a second after that at the latest.
 *  POOL-2. At most `queueLimit` statements wait; the next one fails immediately with `busy`.
 *  POOL-3. Nothing here throws or rejects for what a database can do.
 *  POOL-4. A statement is sent on open connections only. A connection that cannot be opened fails no statement while the pool
 *          has others; the statements wait for those, and the next attempt comes after a pause that doubles.
 *  POOL-5. There are at most `size` connections, and EXTRA more while the server is asked to end overdue statements.
 *  POOL-6. A statement that PostgreSQL refused because of its moment (a conflict, a cancelled statement) runs again within its
 *          deadline, MOST_TRIES times in all: nothing was changed.
 */
import type { DbFailure, DbResult } from "../runtime/db-result.ts";
import { Lifecycle } from "../runtime/lifecycle.ts";
import { mayWorkAgain } from "../runtime/sqlstate.ts";
import type { Param } from "./connection.ts";
import { type ConnectionOptions, Connector } from "./connector.ts";
import { PoolSlot, type SlotJob, type SlotState } from "./pool-slot.ts";
import { STATEMENT_SETTINGS } from "./session-settings.ts";

export type { DbFailure, DbResult, Param };

export interface Pool {
  /**
   * Runs one statement.
   * @param text SQL with $1, $2 …; prepared once per connection
   * @param options `deadlineMs` shortens the pool's; `simple` sends text without parameters, several statements allowed
   */
  run<Row>(text: string, params?: readonly Param[], options?: RunOptions): Promise<DbResult<Row>>;
  /** Connections at most. */
  readonly size: number;
  /** Connections that a statement runs on. */
  busy(): number;
  /** Statements waiting for a connection. */
  waiting(): number;
  /** Waits for running statements (at most their deadline), refuses new ones, closes every connection. A second call has no effect. */
  stop(): Promise<void>;
}

export interface RunOptions {
  readonly deadlineMs?: number;
  readonly simple?: boolean;
}

export interface PoolOptions extends ConnectionOptions {
  /** Connections, opened when needed. */
  readonly size?: number;
  readonly deadlineMs?: number;
  readonly queueLimit?: number;
}

const DEFAULT_SIZE = 5;
const DEFAULT_DEADLINE_MS = 3_000;
const DEFAULT_QUEUE_LIMIT = 200;
/** The server's own limit of a statement begins this much after ours. */
const LIMIT_AFTER_DEADLINE_MS = 1_000;
const EXTRA = 2;
const MOST_TRIES = 4;
const FIRST_REST_MS = 1_000;
const LONGEST_REST_MS = 30_000;
/** Without any connection: a login costs milliseconds, also one at a pooler whose server is away. */
const CLOSED_REST_MS = 100;

/** Makes a pool. Nothing connects before the first statement. */
export function createPool(options: PoolOptions): Pool {
  return new SlotPool(options);
}

class SlotPool implements Pool {
  readonly size: number;
  readonly #deadlineMs: number;
  readonly #queueLimit: number;
  readonly #slots: readonly PoolSlot[];
  readonly #queue: Job[] = [];
  readonly #life = new Lifecycle();
  /** Why the last attempt to open a connection failed, until one succeeds. */
  #unopened: DbFailure | null = null;
  /** After a failed attempt, while others are open. */
  #restMs = 0;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(options: PoolOptions) {
    const { size = DEFAULT_SIZE, deadlineMs = DEFAULT_DEADLINE_MS, queueLimit = DEFAULT_QUEUE_LIMIT } = options;
    this.size = size;
    this.#deadlineMs = deadlineMs;
    this.#queueLimit = queueLimit;
    const connector = new Connector(options, STATEMENT_SETTINGS);
    this.#slots = Array.from({ length: size + Math.min(size, EXTRA) }, () => new PoolSlot(connector));
  }

  busy(): number {
    return this.#count("busy", "clearing");
  }

  /** Without those that the opening connections will take. */
  waiting(): number {
    return Math.max(0, this.#queue.length - this.#count("opening"));
  }

  run<Row>(text: string, params: readonly Param[] = [], options: RunOptions = {}): Promise<DbResult<Row>> {
    if (this.#life.signal.aborted) return Promise.resolve(STOPPED);
    // POOL-2
    if (this.waiting() >= this.#queueLimit) {
      return Promise.resolve(failed("busy", "QUEUE_FULL", `${this.#queueLimit} statements wait already`));
    }
    if (this.#unopened !== null && this.#rests() && this.#isClosed()) {
      return Promise.resolve({ ok: false, failure: this.#unopened });
    }
    const { deadlineMs = this.#deadlineMs, simple = false } = options;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#deadlinePassed(job), deadlineMs);
      // The session's limit is changed only for a statement that may take longer than usual.
      const limitMs = Math.max(deadlineMs, this.#deadlineMs) + LIMIT_AFTER_DEADLINE_MS;
      const job = new Job({ text, params, simple, limitMs, timer, resolve: resolve as Resolve });
      this.#queue.push(job);
      this.#startWaiting();
    });
  }

  stop(): Promise<void> {
    return this.#life.stop(async () => {
      for (const job of this.#queue.splice(0)) job.settle(STOPPED);
      await Promise.all(this.#slots.map((slot) => slot.close()));
    });
  }

  #startWaiting(): void {
    for (const slot of this.#slots) {
      slot.renew();
      if (slot.state !== "idle") continue;
      const job = this.#queue.shift();
      if (job === undefined) return;
      void slot.run(job).then((result) => this.#ran(slot, job, result));
    }
    this.#openMore();
  }

  #ran(slot: PoolSlot, job: Job, result: DbResult<unknown>): void {
    if (this.#runsAgain(job, result)) this.#queue.push(job);
    else job.settle(result);
    this.#startWaiting();
    if (slot.state === "clearing") void slot.clear().then(() => this.#cleared(slot));
  }

  /** POOL-6. Text of several statements may have a transaction of its own that was committed. */
  #runsAgain(job: Job, result: DbResult<unknown>): boolean {
    if (result.ok || job.simple || this.#life.signal.aborted) return false;
    const { kind, code } = result.failure;
    return kind === "rejected" && mayWorkAgain(code) && ++job.tries < MOST_TRIES;
  }

  /** POOL-5 */
  #cleared(slot: PoolSlot): void {
    if (slot.state === "idle" && this.#count("idle", "busy", "opening") > this.size) slot.discard();
    this.#startWaiting();
  }

  /** As many as there are statements that no opening connection will take. */
  #openMore(): void {
    if (this.#life.signal.aborted || this.#rests()) return;
    const usable = this.#count("idle", "busy", "opening");
    let wanted = Math.min(this.waiting(), this.size - usable); // POOL-5
    for (const slot of this.#slots) {
      if (wanted <= 0) return;
      if (slot.state !== "closed") continue;
      wanted--;
      void slot.open().then((failure) => this.#opened(failure));
    }
  }

  /** POOL-4 */
  #opened(failure: DbFailure | null): void {
    this.#unopened = failure;
    if (failure === null) {
      this.#restMs = 0;
      this.#startWaiting();
      return;
    }
    if (!this.#isClosed()) {
      // Attempts that began together are one.
      if (this.#rests()) return;
      this.#restMs = Math.min(LONGEST_REST_MS, Math.max(FIRST_REST_MS, 2 * this.#restMs));
      this.#failedAt = performance.now();
      return;
    }
    this.#failedAt = performance.now();
    for (const job of this.#queue.splice(0)) job.settle({ ok: false, failure });
  }

  #rests(): boolean {
    return performance.now() < this.#failedAt + (this.#isClosed() ? CLOSED_REST_MS : this.#restMs);
  }

  /** No slot has a connection, or opens one. */
  #isClosed(): boolean {
    return this.#count("closed", "doubtful") === this.#slots.length;
  }

  #count(...states: readonly SlotState[]): number {
    return this.#slots.filter(({ state }) => states.includes(state)).length;
  }

  /** POOL-1 */
  #deadlinePassed(job: Job): void {
    const at = this.#queue.indexOf(job);
    if (at < 0) {
      job.cutOff();
      return;
    }
    this.#queue.splice(at, 1);
    job.settle(
      this.#unopened === null
        ? failed("unavailable", "DEADLINE", "no connection became free in time")
        : { ok: false, failure: this.#unopened },
    );
  }
}

type Resolve = (result: DbResult<unknown>) => void;

interface JobParts {
  readonly text: string;
  readonly params: readonly Param[];
  readonly simple: boolean;
  readonly limitMs: number;
  readonly timer: NodeJS.Timeout;
  readonly resolve: Resolve;
}

/** One statement, from `run` to its result. */
class Job implements SlotJob {
  readonly text: string;
  readonly params: readonly Param[];
  readonly simple: boolean;
  readonly limitMs: number;
  /** Written by the pool. */
  tries = 0;
  readonly #timer: NodeJS.Timeout;
  readonly #resolve: Resolve;
  #overdue: ((overdue: "overdue") => void) | null = null;

  constructor({ text, params, simple, limitMs, timer, resolve }: JobParts) {
    this.text = text;
    this.params = params;
    this.simple = simple;
    this.limitMs = limitMs;
    this.#timer = timer;
    this.#resolve = resolve;
  }

  settle(result: DbResult<unknown>): void {
    clearTimeout(this.#timer);
    this.#resolve(result);
  }

  overdue(): Promise<"overdue"> {
    return new Promise((resolve) => {
      this.#overdue = resolve;
    });
  }

  /** The deadline has passed while the statement runs. */
  cutOff(): void {
    this.#overdue?.("overdue");
  }
}

function failed(kind: DbFailure["kind"], code: string, message: string): DbResult<never> {
  return { ok: false, failure: { kind, code, message, maybeCommitted: false, constraint: null } };
}

const STOPPED = failed("unavailable", "STOPPED", "the pool is stopped");

/** A PostgreSQL array literal for `$n::type[]`; null stays null. Values are texts, numbers and booleans. */
export function pgArray(values: readonly Param[]): string {
  let out = "{";
  for (let i = 0; i < values.length; i++) {
    if (i > 0) out += ",";
    const value = values[i];
    if (value === null || value === undefined) out += "NULL";
    else if (typeof value === "string") out += quote(value);
    else out += String(value);
  }
  return `${out}}`;
}

const NEEDS_ESCAPE = /["\\]/;

function quote(value: string): string {
  return NEEDS_ESCAPE.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : `"${value}"`;
}
