/**
 * One message that a handler works on.
 *
 *   WAITING ──`begin`──► RUNNING ──`done`──► FINISHING ──`end`──► DONE
 *      └─────────────────`cancel`, or `end`──────────────────────▲
 *
 * A task begins before its message has a row, under the lease of its batch, or afterwards, under a lease of its own
 * (`adopt`). A task that began early keeps its outcome until its row is written with it, or until it adopts a lease.
 *
 * Invariants:
 *  TASK-1. The handler of a cancelled task does not begin, and a cancelled task neither asks for patience nor writes an
 *          outcome.
 *  TASK-2. A task hands its outcome to the writer once, and only when it has a lease of its own.
 */
import type { OpenSpan } from "@acktor/shared/runtime/tracing";
import type { Effect } from "../inbox/effect.ts";
import type { Finished } from "../inbox/finish-messages.ts";
import { type Answer, type InboxMessage, isNewerAttempt } from "../inbox/message.ts";
import type { Lease } from "../inbox/renew-leases.ts";
import type { Held } from "../subscribe/places.ts";
import type { HandlerJob } from "./handler-runner.ts";
import type { HandleResult } from "./handlers/handler.ts";

/** What is written to the row, answered to the sender, and committed with both. */
export interface Outcome {
  readonly status: Finished["status"];
  readonly reason: string | null;
  /** Null: the message is given back, and its sender gets no answer. */
  readonly answer: Answer | null;
  readonly effect: Effect | null;
}

export type TaskState =
  | { readonly kind: "WAITING" }
  | { readonly kind: "RUNNING" }
  | { readonly kind: "FINISHING"; readonly outcome: Outcome }
  | { readonly kind: "DONE" };

/** What a task has once its row is leased to it alone. */
export interface Hold {
  readonly lease: Lease;
  /**
   * The newest attempt, which answers name (CONCLUDE-3); a task that began early has the first one of its batch until then.
   * Written by `Task.repeat`.
   */
  message: InboxMessage;
  /** Its place in the intake. */
  readonly held: Held;
  /** Null where tracing is off. */
  readonly span: OpenSpan | null;
  /** Monotonic milliseconds: when the outbox is asked for patience (again). Written by `Patience` and `Task.repeat`. */
  patienceAt: number;
}

/** Asks the outbox to wait. */
export interface AsksPatience {
  ask(task: Task, forMs: number): void;
}

/** Writes outcomes. */
export interface WritesOutcomes {
  write(task: Task, outcome: Outcome): void;
}

const WAITING: TaskState = { kind: "WAITING" };
const RUNNING: TaskState = { kind: "RUNNING" };
const DONE: TaskState = { kind: "DONE" };

const GIVEN_BACK: Outcome = { status: "received", reason: "given back", answer: null, effect: null };
const PROCESSED: Outcome = { status: "processed", reason: null, answer: { status: "processed" }, effect: null };

export class Task implements HandlerJob {
  readonly #message: InboxMessage;
  readonly #patience: AsksPatience;
  readonly #writer: WritesOutcomes;
  /** Written by `begin` and `done`, which the runner calls, `reject` (the writer), `cancel` (the processor), `end` (the registry). */
  #state: TaskState = WAITING;
  /** Written once, by `adopt`. */
  #hold: Hold | null = null;
  /** Written by `ended`. */
  #onEnd: (() => void) | null = null;

  constructor(message: InboxMessage, patience: AsksPatience, writer: WritesOutcomes) {
    this.#message = message;
    this.#patience = patience;
    this.#writer = writer;
  }

  get message(): InboxMessage {
    return this.#hold?.message ?? this.#message;
  }

  get state(): TaskState {
    return this.#state;
  }

  get hold(): Hold | null {
    return this.#hold;
  }

  /** True: its handler begins now. */
  begin(): boolean {
    // TASK-1
    if (this.#state.kind !== "WAITING") return false;
    this.#state = RUNNING;
    return true;
  }

  working(forMs: number): void {
    if (this.#state.kind !== "DONE") this.#patience.ask(this, forMs);
  }

  done(result: HandleResult | null): void {
    if (this.#state.kind === "DONE") return;
    const outcome = outcomeOf(result);
    this.#state = { kind: "FINISHING", outcome };
    // TASK-2
    if (this.#hold !== null) this.#writer.write(this, outcome);
  }

  /** The row is leased to this task; an outcome that is known already is written now. */
  adopt(hold: Hold): void {
    this.#hold = hold;
    // TASK-2
    if (this.#state.kind === "FINISHING") this.#writer.write(this, this.#state.outcome);
  }

  /** The sender has repeated the message: from now on answers name the new attempt, which is asked for patience. CONCLUDE-4 */
  repeat(message: InboxMessage): void {
    const hold = this.#hold;
    if (hold === null || !isNewerAttempt(message, hold.message)) return;
    hold.message = message;
    hold.patienceAt = Math.min(hold.patienceAt, message.arrivedAt ?? hold.patienceAt);
  }

  /** PostgreSQL refused the effect. @returns the outcome that replaces the former one */
  reject(reason: string, retryable: boolean): Outcome {
    const outcome = outcomeOf({ kind: "rejected", reason, retryable });
    this.#state = { kind: "FINISHING", outcome };
    return outcome;
  }

  /** Its message has no lease of this task's: the row was written without it, or another process has it. TASK-1 */
  cancel(): void {
    if (this.#hold === null) this.#state = DONE;
  }

  /** Nothing more happens to it. */
  end(): void {
    this.#state = DONE;
    this.#onEnd?.();
  }

  /** Resolves at its end; asked for before. */
  ended(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEnd = resolve;
    });
  }
}

/** @param result null: the runner gave the message back */
function outcomeOf(result: HandleResult | null): Outcome {
  if (result === null) return GIVEN_BACK;
  if (result.kind === "processed") {
    return result.effect === undefined ? PROCESSED : { ...PROCESSED, effect: result.effect };
  }
  const { reason, retryable, retryAfterMs } = result;
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  // FINISH-2: a retryable one stays `received` without a lease, so its next delivery is handled again.
  const status = retryable ? "received" : "rejected";
  return { status, reason, answer: { status: "rejected", reason, retryable, ...wait }, effect: null };
}
