/**
 * Messages that a handler works on after their row: run, written, answered.
 *
 * Invariants:
 *  1. Answered only after the outcome is committed under our own lease; whoever lost the lease says nothing.
 *  2. Leases are renewed while the handler works; a crash frees them after `leaseMs`.
 *  3. At a stop what is not finished is given back: its lease is over at once, another acker may take it.
 */
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import { type DeliveryNotes, UNWATCHED } from "@acktor/shared/inspect/deliveries";
import { createBatcher } from "@acktor/shared/runtime/batcher";
import { pause, unlessAborted } from "@acktor/shared/runtime/pause";
import { NO_TRACING, type OpenSpan, type Tracing } from "@acktor/shared/runtime/tracing";
import type { AckSender } from "./ack/send-acks.ts";
import type { Counts } from "./control/counts.ts";
import type { AfterHandler, HandleResult } from "./handle/handler.ts";
import { createHandlerRunner } from "./handle/run-handlers.ts";
import { type Finished, finishMessages } from "./inbox/finish-messages.ts";
import type { Answer, InboxMessage } from "./inbox/message.ts";
import { type Lease, renewLeases } from "./inbox/renew-leases.ts";

export interface HandlerDesk {
  /** Takes a leased message over; `onEnd` is called once, when nothing more happens to it. */
  take(lease: Lease, message: InboxMessage, onEnd: () => void): void;
  sizes(): { readonly handling: number; readonly waiting: number; readonly stuck: number; readonly finishing: number };
  /** The role that keeps leases alive. Ends with its signal. */
  renewForever(signal: AbortSignal): Promise<void>;
  /** Waits for handlers and their outcomes; from `abandon` on, gives back what is left. */
  drain(abandon: AbortSignal): Promise<void>;
}

export interface HandlerDeskOptions {
  readonly pool: Pool;
  readonly acks: AckSender;
  readonly handler: AfterHandler;
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly leaseMs: number;
  /** Bound of messages under way, as the intake's. */
  readonly capacity: number;
  readonly onTrouble: (failure: DbFailure) => void;
  readonly counts: Counts;
  /** For viewers. */
  readonly deliveries?: DeliveryNotes;
  readonly tracing?: Tracing;
}

interface Task {
  readonly lease: Lease;
  readonly message: InboxMessage;
  readonly onEnd: () => void;
  /** Where tracing is on. */
  readonly span: OpenSpan | null;
}

interface Done extends Task {
  readonly finished: Finished;
  /** Null: nobody is told. */
  readonly answer: Answer | null;
}

const MAX_BATCH = 500;
const RETRY_MS = 250;
const GIVE_BACK_MS = 800;

export function createHandlerDesk(options: HandlerDeskOptions): HandlerDesk {
  const { pool, acks, counts, deliveries = UNWATCHED, tracing = NO_TRACING } = options;
  const runner = createHandlerRunner(options);
  const tasks = new Set<Task>();
  const abandonment = new AbortController();
  /** Comes a little after the abandonment, which leaves time to give back what is unfinished. */
  const lastCall = new AbortController();
  let onEmpty: (() => void) | null = null;

  const finishing = createBatcher<Done>({
    maxBatch: MAX_BATCH,
    delayMs: 1,
    capacity: options.capacity,
    concurrency: 1,
    work: finish,
  });

  function end(task: Task): void {
    tasks.delete(task);
    task.span?.end({ outcome: "abandoned", failed: true });
    task.onEnd();
    if (tasks.size === 0) onEmpty?.();
  }

  /** Tries until the database has it, or the stop gives up: then the lease ends by itself. */
  async function finish(batch: Done[]): Promise<void> {
    const records = batch.map((done) => done.finished);
    let answer = await unlessAborted(finishMessages(pool, records), lastCall.signal);
    while (answer !== null && !answer.ok) {
      options.onTrouble(answer.failure);
      if (!(await pause(RETRY_MS, abandonment.signal))) break;
      answer = await unlessAborted(finishMessages(pool, records), lastCall.signal);
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
    const { answerTo, attemptToken, checksum } = message;
    if (answerTo !== null) acks.send({ answerTo, answer, attemptToken, checksum });
  }

  return {
    take(lease, message, onEnd) {
      const span = tracing.on ? beginSpan(message, tracing) : null;
      const task: Task = { lease, message, onEnd, span };
      tasks.add(task);
      void runner.run(message).then((result) => {
        const done: Done = Object.assign(task, outcomeOf(lease, result));
        // Not taken only after the drain, when the stop has given up already: the lease ends by itself.
        if (!finishing.add(done)) end(task);
      });
    },
    sizes: () => ({
      handling: runner.running(),
      waiting: runner.waiting(),
      stuck: runner.stuck(),
      finishing: finishing.size(),
    }),
    async renewForever(signal) {
      while (await pause(options.leaseMs / 3, signal)) {
        const leases = [...tasks].map((task) => task.lease);
        if (leases.length === 0) continue;
        const answer = await renewLeases(pool, leases, options.leaseMs);
        if (!answer.ok) options.onTrouble(answer.failure);
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

function outcomeOf(lease: Lease, result: HandleResult | null): { finished: Finished; answer: Answer | null } {
  if (result === null) return { finished: { ...lease, status: "received", reason: "given back" }, answer: null };
  if (result.kind === "processed") {
    return { finished: { ...lease, status: "processed", reason: null }, answer: { status: "processed" } };
  }
  const { reason, retryable } = result;
  // A retryable one stays `received` without a lease: its next delivery is handled again.
  const status = retryable ? "received" : "rejected";
  return { finished: { ...lease, status, reason }, answer: { status: "rejected", reason, retryable } };
}
