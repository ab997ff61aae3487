/**
 * Writes the outcomes of tasks, in batches, and answers their senders afterwards.
 *
 * Invariants:
 *  OUTCOME-1. A message is answered only after its outcome is committed under the task's own lease; a task that lost its
 *             lease answers nothing.
 *  OUTCOME-2. One row that cannot be written keeps no other row of its batch from being written; its lease expires.
 *  OUTCOME-3. Every task that is handed over ends.
 */
import { apart, type BadRows } from "@acktor/shared/db/apart";
import type { DbFailure } from "@acktor/shared/db/pool";
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import { Batcher, type BatchWorker } from "@acktor/shared/runtime/batcher";
import { Persister } from "@acktor/shared/runtime/persist";
import { failureOf } from "@acktor/shared/runtime/troubles";
import type { Acks } from "../ack/ack-sender.ts";
import type { Counts } from "../control/counts.ts";
import type { Reports } from "../inbox/database-watch.ts";
import type { TransactionEffect } from "../inbox/effect.ts";
import type { Finished } from "../inbox/finish-messages.ts";
import type { Inbox, Moved } from "../inbox/inbox.ts";
import type { Abandonment } from "./abandonment.ts";
import type { EffectEnd, Effects } from "./effects.ts";
import type { Hold, Outcome, Task, WritesOutcomes } from "./task.ts";
import type { TaskRegistry } from "./task-registry.ts";

export interface OutcomeWriterParts {
  readonly inbox: Pick<Inbox, "finish">;
  readonly effects: Effects;
  readonly registry: TaskRegistry;
  readonly acks: Acks;
  readonly counts: Counts;
  readonly deliveries: DeliveryNotes;
  readonly troubles: Reports;
  readonly abandonment: Abandonment;
  /** Bound of outcomes that wait, as the intake's bound of messages. */
  readonly capacity: number;
}

/** One task, its outcome and its lease. */
interface Finishing {
  readonly task: Task;
  readonly hold: Hold;
  readonly outcome: Outcome;
}

const AREA = "handlers";
const MAX_BATCH = 500;
const RETRY_MS = 250;

export class OutcomeWriter implements WritesOutcomes, BatchWorker<Finishing>, BadRows<unknown> {
  readonly #parts: OutcomeWriterParts;
  readonly #persister: Persister;
  readonly #batcher: Batcher<Finishing>;

  constructor(parts: OutcomeWriterParts) {
    const { troubles, abandonment, capacity } = parts;
    this.#parts = parts;
    this.#persister = new Persister({
      troubles,
      area: AREA,
      pauseMs: RETRY_MS,
      stop: abandonment.work,
      abandon: abandonment.lastCall,
      retriesRefusals: true,
    });
    this.#batcher = new Batcher({ maxBatch: MAX_BATCH, delayMs: 1, capacity, concurrency: 1, worker: this });
  }

  /** Takes an outcome over. The task has a lease. */
  write(task: Task, outcome: Outcome): void {
    const { hold } = task;
    if (hold === null) return;
    const finishing = { task, hold, outcome };
    const { effect } = outcome;
    if (effect?.kind !== "transaction") this.#add(finishing);
    else this.#transact(finishing, effect).catch((error) => this.broke(task, error));
  }

  /** A fault of acktor: the lease expires, and the next delivery is handled again. OUTCOME-3 */
  broke(task: Task, error: unknown): void {
    this.#parts.troubles.note(AREA, failureOf(error));
    this.#parts.registry.end(task);
  }

  /** Takes a row that fails alone. OUTCOME-2 */
  add(_row: unknown, failure: DbFailure): void {
    this.#parts.troubles.note(AREA, failure);
  }

  /** For the batcher. */
  async work(batch: Finishing[]): Promise<void> {
    try {
      await this.#finish(batch);
    } catch (error) {
      // OUTCOME-3
      this.#parts.troubles.note(AREA, failureOf(error));
      for (const { task } of batch) this.#parts.registry.end(task);
    }
  }

  /** Outcomes that wait. */
  waiting(): number {
    return this.#batcher.size;
  }

  drain(): Promise<void> {
    return this.#batcher.drain();
  }

  async #finish(batch: readonly Finishing[]): Promise<void> {
    const fragments = batch.filter(({ outcome }) => outcome.effect !== null);
    if (fragments.length === 0) return this.#writeAll(batch);
    const ends = await this.#parts.effects.commitFragments(
      fragments.flatMap(({ hold: { lease }, outcome: { effect } }) =>
        effect?.kind === "fragment" ? [{ lease, effect }] : [],
      ),
    );
    const rest = batch.filter(({ outcome }) => outcome.effect === null);
    for (const finishing of fragments) {
      const rejected = this.#conclude(finishing, ends.get(finishing.hold.lease.messageId) ?? { kind: "abandoned" });
      if (rejected !== null) rest.push(rejected);
    }
    if (rest.length > 0) await this.#writeAll(rest);
  }

  #add(finishing: Finishing): void {
    // OUTCOME-3. The batcher refuses only after the drain, when the stop gave up waiting: the lease expires.
    if (!this.#batcher.add(finishing)) this.#parts.registry.end(finishing.task);
  }

  async #transact(finishing: Finishing, effect: TransactionEffect): Promise<void> {
    const end = await this.#parts.effects.commitTransaction(finishing.hold.lease, effect);
    const rejected = this.#conclude(finishing, end);
    if (rejected !== null) this.#add(rejected);
  }

  /** @returns the rejection that remains to be written */
  #conclude(finishing: Finishing, end: EffectEnd): Finishing | null {
    const { counts, registry } = this.#parts;
    const { task, hold } = finishing;
    if (end.kind === "refused") return { task, hold, outcome: task.reject(end.reason, end.retryable) };
    // OUTCOME-1
    if (end.kind === "committed") this.#answer(finishing);
    else if (end.kind === "fenced") counts.handler.fenced++;
    else counts.messages.abandoned++;
    registry.end(task);
    return null;
  }

  /** Retries until the database has the outcomes, or the stop gives up: then the leases expire. */
  async #writeAll(batch: readonly Finishing[]): Promise<void> {
    const { counts, inbox, registry } = this.#parts;
    const rows = batch.map(({ hold, outcome: { status, reason } }): Finished => ({ ...hold.lease, status, reason }));
    const answer = await this.#persister.persist(() =>
      apart<Finished, Moved>(rows, (part) => inbox.finish(part), this),
    );
    const written = new Set(answer.ok ? answer.rows.map((row) => row.messageId) : []);
    for (const finishing of batch) {
      // OUTCOME-1
      if (written.has(finishing.hold.lease.messageId)) this.#answer(finishing);
      else if (answer.ok) counts.handler.fenced++;
      else counts.messages.abandoned++;
      registry.end(finishing.task);
    }
  }

  #answer({ task: { message }, hold: { span }, outcome }: Finishing): void {
    const { acks, counts, deliveries } = this.#parts;
    const { answer, reason, status } = outcome;
    span?.end({ outcome: status, failed: status !== "processed" });
    if (answer === null) return;
    counts.handler[status === "received" ? "retryable" : status]++;
    if (deliveries.watched) {
      const { messageId, topic } = message;
      if (status === "processed") deliveries.note("processed", messageId, topic);
      else deliveries.note("refused", messageId, topic, undefined, reason ?? "");
    }
    acks.answer(message, answer);
  }
}
