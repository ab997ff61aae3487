/**
 * The only door to PostgreSQL. A unit of work is one statement; there is no transaction API (transactions of the driver can
 * cross callers when a backend dies: porsager/postgres #1133, #1155, #1208).
 *
 * Invariants:
 *  POOL-1. Every statement has a result, rows or a failure of a kind, at most `deadlineMs` after `run` was called. A
 *          connection whose statement missed its deadline is destroyed, never reused (#1089), also while it is being opened.
 *  POOL-2. At most `queueLimit` statements wait; the next one fails immediately with `busy`.
 *  POOL-3. Nothing here throws or rejects for what a database can do.
 */
import type { DbFailure, DbResult } from "../runtime/db-result.ts";
import { Lifecycle } from "../runtime/lifecycle.ts";
import {
  type Connection,
  type ConnectionOptions,
  closeConnection,
  destroyConnection,
  openConnection,
  type Param,
  send,
} from "./connection.ts";

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

/** Makes a pool. Nothing connects before the first statement. */
export function createPool(options: PoolOptions): Pool {
  return new SlotPool(options);
}

class SlotPool implements Pool {
  readonly size: number;
  readonly #deadlineMs: number;
  readonly #queueLimit: number;
  readonly #slots: Slot[];
  readonly #queue: Job[] = [];
  readonly #life = new Lifecycle();

  constructor(options: PoolOptions) {
    const { size = DEFAULT_SIZE, deadlineMs = DEFAULT_DEADLINE_MS, queueLimit = DEFAULT_QUEUE_LIMIT } = options;
    this.size = size;
    this.#deadlineMs = deadlineMs;
    this.#queueLimit = queueLimit;
    this.#slots = Array.from({ length: size }, () => new Slot(options));
  }

  busy(): number {
    return this.#slots.filter((slot) => slot.busy).length;
  }

  waiting(): number {
    return this.#queue.length;
  }

  run<Row>(text: string, params: readonly Param[] = [], options: RunOptions = {}): Promise<DbResult<Row>> {
    if (this.#life.signal.aborted) return Promise.resolve(STOPPED);
    // POOL-2
    if (this.#queue.length >= this.#queueLimit) {
      return Promise.resolve(failed("busy", "QUEUE_FULL", `${this.#queueLimit} statements wait already`, false));
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#deadlinePassed(job), options.deadlineMs ?? this.#deadlineMs);
      const job = new Job(text, params, options.simple ?? false, timer, resolve as Resolve);
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
      if (slot.busy) continue;
      const job = this.#queue.shift();
      if (job === undefined) return;
      void slot.run(job).then((result) => {
        job.settle(result);
        this.#startWaiting();
      });
    }
  }

  /** POOL-1 */
  #deadlinePassed(job: Job): void {
    const at = this.#queue.indexOf(job);
    if (at < 0) {
      job.cutOff();
      return;
    }
    this.#queue.splice(at, 1);
    job.settle(failed("unavailable", "DEADLINE", "no connection became free in time", false));
  }
}

type Resolve = (result: DbResult<unknown>) => void;

/** One statement, from `run` to its result. */
class Job {
  readonly text: string;
  readonly params: readonly Param[];
  readonly simple: boolean;
  readonly #timer: NodeJS.Timeout;
  readonly #resolve: Resolve;
  #overdue: ((overdue: "overdue") => void) | null = null;

  constructor(text: string, params: readonly Param[], simple: boolean, timer: NodeJS.Timeout, resolve: Resolve) {
    this.text = text;
    this.params = params;
    this.simple = simple;
    this.#timer = timer;
    this.#resolve = resolve;
  }

  settle(result: DbResult<unknown>): void {
    clearTimeout(this.#timer);
    this.#resolve(result);
  }

  /** Resolves when the deadline passes while the statement runs. */
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

/** Place of one connection, which is replaced after any doubt. */
class Slot {
  readonly #options: ConnectionOptions;
  #connection: Connection | null = null;
  #running: Promise<DbResult<unknown>> | null = null;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get busy(): boolean {
    return this.#running !== null;
  }

  /** Resolves with the job's result when the slot is free. */
  async run(job: Job): Promise<DbResult<unknown>> {
    this.#running = this.#execute(job);
    const result = await this.#running;
    this.#running = null;
    return result;
  }

  /** Waits for the statement that runs. */
  async close(): Promise<void> {
    await this.#running;
    const connection = this.#connection;
    this.#connection = null;
    if (connection !== null) await closeConnection(connection);
  }

  async #execute(job: Job): Promise<DbResult<unknown>> {
    this.#connection ??= openConnection(this.#options, false);
    const overdue = job.overdue();
    try {
      const query = send(this.#connection, job);
      const answer = await Promise.race([query, overdue]);
      if (answer !== "overdue") return { ok: true, rows: answer };
      query.catch(() => "its connection is destroyed below; the caller has its result");
      this.#discard(); // POOL-1
      return failed("unavailable", "DEADLINE", "the statement took longer than its deadline", true);
    } catch (error) {
      return this.#explain(error); // POOL-3
    }
  }

  #explain(error: unknown): DbResult<never> {
    const { code = "UNKNOWN", message, severity } = error as Error & { code?: string; severity?: string };
    const fromServer = severity !== undefined && /^[0-9A-Z]{5}$/.test(code);
    // 57P: the server is shutting down; 53: out of disk, memory or connections; 58: I/O error; 08: connection exceptions;
    // 25006: a standby. All of them pass, and the statement causes none of them.
    const passing = !fromServer || /^(57P|53|58|08|25006)/.test(code) || severity === "FATAL" || severity === "PANIC";
    if (passing) {
      this.#discard();
      return failed("unavailable", code, message, true);
    }
    const constraint = (error as { constraint_name?: string }).constraint_name ?? null;
    return { ok: false, failure: { kind: "rejected", code, message, constraint, maybeCommitted: false } };
  }

  #discard(): void {
    const connection = this.#connection;
    this.#connection = null;
    if (connection !== null) destroyConnection(connection);
  }
}

function failed(kind: DbFailure["kind"], code: string, message: string, maybeCommitted: boolean): DbResult<never> {
  return { ok: false, failure: { kind, code, message, maybeCommitted, constraint: null } };
}

const STOPPED = failed("unavailable", "STOPPED", "the pool is stopped", false);

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
