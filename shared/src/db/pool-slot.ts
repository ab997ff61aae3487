/**
 * Place of one connection of a pool.
 *
 *   closed ──open──► opening ──► idle ──run──► busy ──deadline──► clearing ──answered──► idle
 *     ▲                 │failed              │broken                  │  └──the server does not answer──► doubtful
 *     └─────────────────┴────────────────────┴──────lost, or the server cannot be reached──┘ ◄──DOUBT_MS──┘
 *
 * Invariants:
 *  SLOT-1. A statement that missed its deadline is cancelled at the server. While the server may still work on it, its slot
 *     opens no other connection.
 *  SLOT-2. A connection in doubt is never used again.
 */
import type { DbFailure, DbResult } from "../runtime/db-result.ts";
import { isOfTheSession } from "../runtime/sqlstate.ts";
import type { Connection, Statement } from "./connection.ts";
import type { Connector } from "./connector.ts";

/** A statement with its time. */
export interface SlotJob extends Statement {
  readonly limitMs: number;
  /** Resolves when the deadline passes while the statement runs. */
  overdue(): Promise<"overdue">;
}

export type SlotState = "closed" | "opening" | "idle" | "busy" | "clearing" | "doubtful";

/** For an answer after the request to cancel; lock waits end within milliseconds. */
const ANSWER_LIMIT_MS = 1_000;
/** A half-open connection looks like a backend that hangs: its slot is used again after this. */
const DOUBT_MS = 60_000;
/** Backends grow with each plan that they keep. */
const LIFETIME_MS = 45 * 60_000;

export class PoolSlot {
  readonly #connector: Connector;
  readonly #stop = new AbortController();
  #state: SlotState = "closed";
  #connection: Connection | null = null;
  #openedAt = 0;
  #doubtfulUntil = 0;
  /** What `close` waits for. */
  #work: Promise<unknown> = Promise.resolve();
  /** The answer that a cleared slot waits for: false when the connection ended. */
  #answered: Promise<boolean> = Promise.resolve(false);

  constructor(connector: Connector) {
    this.#connector = connector;
  }

  get state(): SlotState {
    return this.#state;
  }

  /** Closes a connection that has ended or is old, where nothing runs on it. */
  renew(): void {
    if (this.#state === "doubtful" && performance.now() > this.#doubtfulUntil) this.discard();
    const isOld = performance.now() - this.#openedAt > LIFETIME_MS;
    if (this.#state === "idle" && (isOld || this.#connection?.isLost === true)) this.discard();
  }

  /** @returns the failure, or null when it is idle */
  async open(): Promise<DbFailure | null> {
    this.#state = "opening";
    const opening = this.#connector.open(this.#stop.signal);
    this.#work = opening.catch(() => "the caller has the failure");
    try {
      this.#connection = await opening;
      this.#openedAt = performance.now();
      this.#state = "idle";
      return null;
    } catch (error) {
      this.#state = "closed";
      const { failure } = toFailure(error, false);
      // What a session is refused for is no fault of a statement. A wrong mode needs an operator.
      return failure.code === "POOLER_MODE" ? failure : { ...failure, kind: "unavailable" };
    }
  }

  /** Only when idle. Afterwards it is idle, closed, or has to be cleared. */
  run(job: SlotJob): Promise<DbResult<unknown>> {
    this.#state = "busy";
    const running = this.#execute(job);
    this.#work = running;
    return running;
  }

  /** SLOT-1. Only in state `clearing`; afterwards it is idle, closed or doubtful. */
  clear(): Promise<void> {
    const clearing = this.#clear();
    this.#work = clearing;
    return clearing;
  }

  /** Waits for what runs, and closes. */
  async close(): Promise<void> {
    this.#stop.abort();
    if (this.#state === "clearing") this.#connection?.destroy();
    await this.#work;
    const connection = this.#connection;
    this.#connection = null;
    this.#state = "closed";
    if (connection !== null) await connection.close();
  }

  async #execute(job: SlotJob): Promise<DbResult<unknown>> {
    const overdue = job.overdue();
    const running = this.#connection?.run(job, job.limitMs) ?? Promise.reject(new Error("the slot is closed"));
    // POOL-3
    const query = running.then(
      (rows): DbResult<unknown> => ({ ok: true, rows }),
      (error) => toFailure(error, true),
    );
    const answer = await Promise.race([query, overdue]);
    if (answer === "overdue") {
      this.#state = "clearing";
      this.#answered = query.then((result) => result.ok || result.failure.kind === "rejected");
      return OVERDUE;
    }
    // SLOT-2
    if (!answer.ok && (answer.failure.kind === "unavailable" || isOfTheSession(answer.failure.code))) this.discard();
    else this.#state = "idle";
    return answer;
  }

  async #clear(): Promise<void> {
    const [isTaken, isAnswered] = await Promise.all([this.#connection?.cancel(), within(this.#answered)]);
    if (isAnswered === true) {
      this.#state = "idle";
      return;
    }
    // A server that takes the request but does not answer is alive: the backend may be in a call that cannot be interrupted.
    if (isAnswered === null && isTaken === true && !this.#stop.signal.aborted) {
      this.#state = "doubtful";
      this.#doubtfulUntil = performance.now() + DOUBT_MS;
      this.#connection?.destroy();
    } else this.discard();
  }

  /** Ends the connection, also while it works. */
  discard(): void {
    this.#connection?.destroy();
    this.#connection = null;
    this.#state = "closed";
  }
}

/** The answer, or null when it takes longer than a request to cancel is given. */
async function within(answer: Promise<boolean>): Promise<boolean | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ANSWER_LIMIT_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

const OVERDUE: DbResult<never> = {
  ok: false,
  failure: {
    kind: "unavailable",
    code: "DEADLINE",
    message: "the statement took longer than its deadline",
    maybeCommitted: true,
    constraint: null,
  },
};

/** What the driver threw, as a result. */
function toFailure(error: unknown, wasSent: boolean): { readonly ok: false; readonly failure: DbFailure } {
  const { code = "UNKNOWN", message, severity } = error as Error & { code?: string; severity?: string };
  const fromServer = severity !== undefined && /^[0-9A-Z]{5}$/.test(code);
  // 57P: the server is shutting down; 53: out of disk, memory or connections; 58: I/O error; 08: connection exceptions;
  // 25006: a standby. All of them pass, and the statement causes none of them.
  const passing =
    (!fromServer && code !== "POOLER_MODE") ||
    /^(57P|53|58|08|25006)/.test(code) ||
    severity === "FATAL" ||
    severity === "PANIC";
  const constraint = (error as { constraint_name?: string }).constraint_name ?? null;
  // An error of the server that leaves the session alive has undone the statement.
  const maybeCommitted = wasSent && !(fromServer && severity === "ERROR");
  if (passing) return { ok: false, failure: { kind: "unavailable", code, message, constraint: null, maybeCommitted } };
  return { ok: false, failure: { kind: "rejected", code, message, constraint, maybeCommitted: false } };
}
