/**
 * The handlers at work: begins them, keeps the leases of their messages, and ends them at a stop.
 *
 * Invariants:
 *  RUNS-1. At a stop every message that is not finished is given back: its lease is over, and another acker may take it.
 *  RUNS-2. A message that is suspected of killing its acker runs alone among suspects, and is noted before it begins. The
 *          next suspect begins when its outcome is written. So the crash is counted on the message that caused it, not on
 *          those that wait with it.
 */
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Role } from "@acktor/shared/runtime/supervisor";
import type { Tracing } from "@acktor/shared/runtime/tracing";
import type { Acks } from "../ack/ack-sender.ts";
import type { Counts } from "../control/counts.ts";
import type { Reports } from "../inbox/database-watch.ts";
import type { Inbox } from "../inbox/inbox.ts";
import type { InboxMessage } from "../inbox/message.ts";
import type { Lease } from "../inbox/renew-leases.ts";
import type { Places } from "../subscribe/places.ts";
import type { Delivery } from "../verify/group.ts";
import { Abandonment } from "./abandonment.ts";
import { Effects } from "./effects.ts";
import type { Runner } from "./handler-runner.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { OutcomeWriter } from "./outcome-writer.ts";
import { Patience } from "./patience.ts";
import { Task } from "./task.ts";
import { TaskRegistry } from "./task-registry.ts";

export interface HandlerRunsParts {
  readonly inbox: Inbox;
  readonly acks: Acks;
  readonly places: Places;
  readonly runner: Runner;
  readonly leaseMs: number;
  /** Bound of messages under way, as the intake's. */
  readonly capacity: number;
  readonly troubles: Reports;
  readonly counts: Counts;
  readonly clock: Pick<Clock, "now">;
  /** For viewers. */
  readonly deliveries: DeliveryNotes;
  readonly tracing: Tracing;
}

export interface RunSizes {
  readonly handling: number;
  readonly waiting: number;
  readonly stuck: number;
  readonly finishing: number;
}

const AREA = "handlers";

export class HandlerRuns {
  /** Keeps the leases alive. */
  readonly leases: Role;
  /** Asks outboxes for patience. */
  readonly patience: Role;
  readonly #parts: HandlerRunsParts;
  readonly #abandonment = new Abandonment();
  readonly #registry: TaskRegistry;
  readonly #patience: Patience;
  readonly #writer: OutcomeWriter;
  /** The end of the suspect before. Written by `take`. */
  #suspects: Promise<void> = Promise.resolve();

  constructor(parts: HandlerRunsParts) {
    this.#parts = parts;
    const abandonment = this.#abandonment;
    const registry = new TaskRegistry(parts.places);
    this.#registry = registry;
    this.#patience = new Patience({ ...parts, registry });
    this.#writer = new OutcomeWriter({
      ...parts,
      registry,
      abandonment,
      effects: new Effects({ ...parts, abandonment }),
    });
    this.patience = this.#patience;
    this.leases = new LeaseKeeper({ ...parts, registry, badRows: this.#writer });
  }

  /** Begins the handler of a message that has no row yet, under the lease of its batch. */
  begin(message: InboxMessage): Task {
    const task = new Task(message, this.#patience, this.#writer);
    this.#parts.runner.run(task);
    return task;
  }

  /**
   * Takes a message over that is leased to this process.
   * @param begun its task, where its handler has begun
   * @param crashes how often its handler is thought to have killed its process
   */
  take(lease: Lease, { message, held }: Delivery, begun: Task | undefined, crashes: number): void {
    const task = begun ?? new Task(message, this.#patience, this.#writer);
    const span = this.#parts.tracing.on ? this.#beginSpan(message) : null;
    this.#registry.add(task, { lease, message, held, span, patienceAt: this.#patience.firstAt() });
    if (begun !== undefined) return;
    if (crashes === 0) this.#parts.runner.run(task);
    // RUNS-2
    else this.#suspects = this.#suspects.then(() => this.#runAlone(task, lease));
  }

  /** A message arrived again while its row is leased. CONCLUDE-4 */
  repeated(message: InboxMessage): void {
    this.#registry.find(message.messageId)?.repeat(message);
  }

  sizes(): RunSizes {
    const { runner } = this.#parts;
    const [handling, waiting, stuck] = [runner.running(), runner.waiting(), runner.stuck()];
    return { handling, waiting, stuck, finishing: this.#writer.waiting() };
  }

  /** Waits for handlers and their outcomes; from `abandon` on, gives back what is left. RUNS-1 */
  async drain(abandon: AbortSignal): Promise<void> {
    const { runner } = this.#parts;
    const giveUp = (): void => {
      runner.stop();
      this.#abandonment.begin();
    };
    if (abandon.aborted) giveUp();
    abandon.addEventListener("abort", giveUp, { once: true });
    await this.#registry.whenEmpty();
    runner.stop();
    await this.#writer.drain();
    abandon.removeEventListener("abort", giveUp);
    this.#abandonment.end();
  }

  /** A culprit that began before its forerunner's outcome is written would get that one rejected as well. RUNS-2 */
  async #runAlone(task: Task, lease: Lease): Promise<void> {
    const ended = task.ended();
    try {
      await this.#noteAndRun(task, lease);
    } catch (error) {
      this.#writer.broke(task, error);
    }
    await ended;
  }

  async #noteAndRun(task: Task, lease: Lease): Promise<void> {
    const { counts, inbox, runner, troubles } = this.#parts;
    const noted = troubles.report(AREA, await inbox.markHandling(lease));
    if (noted.ok && noted.rows.length > 0) return runner.run(task);
    // The present owner of the lease answers; while the database is away the next delivery is handled again.
    if (noted.ok) counts.handler.fenced++;
    this.#registry.end(task);
  }

  #beginSpan({ messageId, topic, traceparent = null, retryCount }: InboxMessage) {
    return this.#parts.tracing.begin({
      name: "process",
      parent: traceparent,
      messageId,
      topic,
      attempt: retryCount + 1,
    });
  }
}
