/**
 * Messages that a handler works on after their row: run, written, answered.
 *
 * Invariants:
 *  1. Answered only after the outcome is committed under our own lease; whoever lost the lease says nothing.
 *  2. Leases are renewed while the handler works; a crash frees them after `leaseMs`. Meanwhile the outbox is told to wait.
 *  3. At a stop what is not finished is given back: its lease is over at once, another acker may take it.
 *  4. A message that is suspected of killing its acker runs alone among its like, and is noted before it begins; the next
 *     one waits for its outcome to be written. So it is the one that is blamed, not those that wait beside it.
 */

import { apart, type BadRows } from "@acktor/shared/db/apart";
import type { TransactionSlots } from "@acktor/shared/db/fenced-transaction";
import type { DbFailure, DbResult, Pool } from "@acktor/shared/db/pool";
import { type DeliveryNotes, UNWATCHED } from "@acktor/shared/inspect/deliveries";
import { Batcher } from "@acktor/shared/runtime/batcher";
import { pause, unlessAborted } from "@acktor/shared/runtime/pause";
import { NO_TRACING, type OpenSpan, type Tracing } from "@acktor/shared/runtime/tracing";
import { failureOf } from "@acktor/shared/runtime/troubles";
import type { AckSender } from "./ack/send-acks.ts";
import type { Counts } from "./control/counts.ts";
import { type EffectEnd, finishFragments, finishTransaction } from "./finish-effects.ts";
import { EarlyRun, type Successor } from "./handle/early-run.ts";
import type { Effect, HandleResult, TransactionEffect } from "./handle/handler.ts";
import type { HandlerRunner } from "./handle/run-handlers.ts";
import { closingOf, type EffectOf } from "./inbox/commit-effects.ts";
import { type Finished, finishMessages } from "./inbox/finish-messages.ts";
import { markHandling } from "./inbox/mark-handling.ts";
import type { Answer, InboxMessage } from "./inbox/message.ts";
import { type Lease, renewLeases } from "./inbox/renew-leases.ts";
import type { ShapeTypes } from "./inbox/shape-types.ts";

export interface HandlerDesk {
  /** Begins the handler of a message that has no row yet, under the lease on its batch. */
  readonly begin: (message: InboxMessage) => EarlyRun;
  /**
   * Takes a leased message over; `onEnd` is called once, when nothing more happens to it.
   * @param begun its handler, where that has begun; else how often it is thought to have killed its process
   */
  take(lease: Lease, message: InboxMessage, begun: EarlyRun | number, onEnd: () => void): void;
  sizes(): { readonly handling: number; readonly waiting: number; readonly stuck: number; readonly finishing: number };
  /** The role that keeps leases alive. Ends with its signal. */
  renewForever(signal: AbortSignal): Promise<void>;
  /** The role that asks the outbox for patience. Ends with its signal. */
  askPatienceForever(signal: AbortSignal): Promise<void>;
  /** Waits for handlers and their outcomes; from `abandon` on, gives back what is left. */
  drain(abandon: AbortSignal): Promise<void>;
}

export interface HandlerDeskOptions {
  readonly pool: Pool;
  /** For transactions of handlers. */
  readonly slots: TransactionSlots;
  readonly shapes: ShapeTypes;
  readonly acks: AckSender;
  readonly runner: HandlerRunner;
  /** Longest time of a handler's transaction. */
  readonly transactionMs: number;
  readonly leaseMs: number;
  /** Bound of messages under way, as the intake's. */
  readonly capacity: number;
  readonly onTrouble: (failure: DbFailure) => void;
  readonly counts: Counts;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** For viewers. */
  readonly deliveries?: DeliveryNotes;
  readonly tracing?: Tracing;
}

interface Task {
  readonly lease: Lease;
  readonly message: InboxMessage;
  onEnd: () => void;
  /** Where tracing is on. */
  readonly span: OpenSpan | null;
  /** Monotonic milliseconds: when the outbox is to be asked for patience (again). */
  tellAt: number;
}

interface Done extends Task {
  readonly finished: Finished;
  /** Null: nobody is told. */
  readonly answer: Answer | null;
  /** Committed with the outcome. */
  readonly effect: Effect | null;
}

const MAX_BATCH = 500;
const RETRY_MS = 250;
const GIVE_BACK_MS = 800;
/** The outbox hears first after this: before the shortest ack timeout that is of use. */
const FIRST_PATIENCE_MS = 300;
const PATIENCE_EVERY_MS = 3_000;
const PATIENCE_TICK_MS = 100;
/** Longer than three rounds of it, so that a lost one does no harm. */
const PATIENCE_MS = 10_000;

export function createHandlerDesk(options: HandlerDeskOptions): HandlerDesk {
  const { pool, acks, counts, runner, now, deliveries = UNWATCHED, tracing = NO_TRACING } = options;
  const tasks = new Set<Task>();
  const abandonment = new AbortController();
  /** Comes a little after the abandonment, which leaves time to give back what is unfinished. */
  const lastCall = new AbortController();
  let onEmpty: (() => void) | null = null;
  const { slots, shapes, onTrouble } = options;
  const effects = { pool, slots, shapes, signal: abandonment.signal, onTrouble };
  /** One row that cannot be written ends with its lease; the others of its batch are written. */
  const givenUp: BadRows<unknown> = { add: (_, failure) => onTrouble(failure) };
  /** Suspects, one after the other. */
  let suspects: Promise<unknown> = Promise.resolve();

  const finishing = new Batcher<Done>({
    maxBatch: MAX_BATCH,
    delayMs: 1,
    capacity: options.capacity,
    concurrency: 1,
    worker: { work: finish },
  });

  function end(task: Task): void {
    tasks.delete(task);
    task.span?.end({ outcome: "abandoned", failed: true });
    task.onEnd();
    if (tasks.size === 0) onEmpty?.();
  }

  /** A fault of ours: the lease ends by itself, and the next delivery is handled again. */
  function broke(task: Task, error: unknown): void {
    onTrouble({ ...failureOf(error), kind: "rejected", maybeCommitted: true, constraint: null });
    end(task);
  }

  async function finish(batch: Done[]): Promise<void> {
    const fragments = batch.filter((done) => done.effect?.kind === "fragment");
    if (fragments.length === 0) return writeAll(batch);
    const items = fragments.map(({ lease, effect }) => ({ lease, effect }) as EffectOf);
    const ends = await finishFragments(items, effects);
    const rest = batch.filter((done) => done.effect === null);
    for (const done of fragments) {
      const refused = conclude(done, ends.get(done.lease.messageId) ?? { kind: "abandoned" });
      if (refused !== null) rest.push(refused);
    }
    if (rest.length > 0) await writeAll(rest);
  }

  /** @returns what is still to be written */
  function conclude(done: Done, ended: EffectEnd): Done | null {
    if (ended.kind === "refused") {
      return Object.assign(done, outcomeOf(done.lease, { ...ended, kind: "rejected" }));
    }
    if (ended.kind === "committed") tell(done);
    else if (ended.kind === "fenced") counts.handler.fenced++;
    else counts.messages.abandoned++;
    end(done);
    return null;
  }

  /** Tries until the database has it, or the stop gives up: then the lease ends by itself. */
  async function writeAll(batch: Done[]): Promise<void> {
    const records = batch.map((done) => done.finished);
    const write = (): Promise<DbResult<{ messageId: string }>> =>
      apart<Finished, { messageId: string }>(records, (part) => finishMessages(pool, part), givenUp);
    let answer = await unlessAborted(write(), lastCall.signal);
    while (answer !== null && !answer.ok) {
      options.onTrouble(answer.failure);
      if (!(await pause(RETRY_MS, abandonment.signal))) break;
      answer = await unlessAborted(write(), lastCall.signal);
    }
    const written = new Set(answer?.ok ? answer.rows.map((row) => row.messageId) : []);
    for (const done of batch) {
      if (written.has(done.lease.messageId)) tell(done);
      else if (answer?.ok) counts.handler.fenced++;
      else counts.messages.abandoned++;
      end(done);
    }
  }

  function tell({ answer, message, finished, span }: Done): void {
    span?.end({ outcome: finished.status, failed: finished.status !== "processed" });
    if (answer === null) return;
    counts.handler[finished.status === "received" ? "retryable" : finished.status]++;
    if (deliveries.watched) {
      const { messageId, topic } = message;
      if (finished.status === "processed") deliveries.note("processed", messageId, topic);
      else deliveries.note("refused", messageId, topic, undefined, finished.reason ?? "");
    }
    say(message, answer);
  }

  function say({ answerTo, attemptToken, checksum, proof }: InboxMessage, answer: Answer): void {
    if (answerTo !== null) acks.send({ answerTo, answer, attemptToken, checksum, proof });
  }

  function askPatience(task: Task, forMs: number): void {
    task.tellAt = now() + Math.min(PATIENCE_EVERY_MS, forMs / 2);
    sayWorking(task.message, forMs);
  }

  function sayWorking(message: InboxMessage, forMs: number): void {
    if (message.answerTo === null || message.attemptToken === null) return;
    counts.working++;
    const at = now();
    say(message, { status: "working", forMs, elapsedMs: at - (message.arrivedAt ?? at) });
  }

  function work(task: Task): void {
    runner.run({ message: task.message, ...successorOf(task) });
  }

  function successorOf(task: Task): Successor {
    return {
      working: (forMs) => askPatience(task, forMs),
      done(result) {
        const done: Done = Object.assign(task, outcomeOf(task.lease, result));
        if (done.effect?.kind === "transaction") transact(done, done.effect).catch((error) => broke(task, error));
        else add(done);
      },
    };
  }

  function add(done: Done): void {
    // Not taken only after the drain, when the stop has given up already: the lease ends by itself.
    if (!finishing.add(done)) end(done);
  }

  async function transact(done: Done, effect: TransactionEffect): Promise<void> {
    const over = AbortSignal.any([abandonment.signal, AbortSignal.timeout(options.transactionMs)]);
    const ended = await finishTransaction(done.lease, effect, closingOf(done.lease), over, effects);
    const refused = conclude(done, ended);
    if (refused !== null) add(refused);
  }

  /** A culprit that began before its forerunner's outcome is written would be blamed on it as well. */
  function aloneUntilEnded(task: Task): Promise<void> {
    return new Promise((resolve) => {
      const { onEnd } = task;
      task.onEnd = () => {
        onEnd();
        resolve();
      };
      workAlone(task).catch((error) => broke(task, error));
    });
  }

  async function workAlone(task: Task): Promise<void> {
    const noted = await markHandling(pool, task.lease);
    if (noted.ok && noted.rows.length > 0) return work(task);
    // Whoever has the lease now answers; a database that is away gives it to the next delivery.
    if (noted.ok) counts.handler.fenced++;
    else options.onTrouble(noted.failure);
    end(task);
  }

  return {
    begin(message) {
      const run = new EarlyRun(message, (forMs) => sayWorking(message, forMs));
      runner.run(run);
      return run;
    },
    take(lease, message, begun, onEnd) {
      const span = tracing.on ? beginSpan(message, tracing) : null;
      const task: Task = { lease, message, onEnd, span, tellAt: now() + FIRST_PATIENCE_MS };
      tasks.add(task);
      if (begun instanceof EarlyRun) begun.handOver(successorOf(task));
      else if (begun === 0) work(task);
      else suspects = suspects.then(() => aloneUntilEnded(task));
    },
    sizes: () => ({
      handling: runner.running(),
      waiting: runner.waiting(),
      stuck: runner.stuck(),
      finishing: finishing.size,
    }),
    async renewForever(signal) {
      while (await pause(options.leaseMs / 3, signal)) {
        const leases = [...tasks].map((task) => task.lease);
        if (leases.length === 0) continue;
        const answer = await apart(
          leases,
          (part: readonly Lease[]) => renewLeases(pool, part, options.leaseMs),
          givenUp,
        );
        if (!answer.ok) options.onTrouble(answer.failure);
      }
    },
    async askPatienceForever(signal) {
      while (await pause(PATIENCE_TICK_MS, signal)) {
        const at = now();
        for (const task of tasks) if (task.tellAt <= at) askPatience(task, PATIENCE_MS);
      }
    },
    async drain(abandon) {
      let timer: NodeJS.Timeout | undefined;
      const giveUp = (): void => {
        runner.stop();
        abandonment.abort();
        timer = setTimeout(() => lastCall.abort(), GIVE_BACK_MS);
      };
      if (abandon.aborted) giveUp();
      abandon.addEventListener("abort", giveUp, { once: true });
      if (tasks.size > 0) {
        await new Promise<void>((resolve) => {
          onEmpty = resolve;
        });
      }
      runner.stop();
      await finishing.drain();
      abandon.removeEventListener("abort", giveUp);
      clearTimeout(timer);
    },
  };
}

function beginSpan({ messageId, topic, traceparent = null, retryCount }: InboxMessage, tracing: Tracing): OpenSpan {
  return tracing.begin({ name: "process", parent: traceparent, messageId, topic, attempt: retryCount + 1 });
}

function outcomeOf(lease: Lease, result: HandleResult | null): Pick<Done, "finished" | "answer" | "effect"> {
  if (result === null) {
    return { finished: { ...lease, status: "received", reason: "given back" }, answer: null, effect: null };
  }
  if (result.kind === "processed") {
    const finished = { ...lease, status: "processed", reason: null } as const;
    return { finished, answer: { status: "processed" }, effect: result.effect ?? null };
  }
  const { reason, retryable, retryAfterMs } = result;
  // A retryable one stays `received` without a lease: its next delivery is handled again.
  const status = retryable ? "received" : "rejected";
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  return {
    finished: { ...lease, status, reason },
    answer: { status: "rejected", reason, retryable, ...wait },
    effect: null,
  };
}
