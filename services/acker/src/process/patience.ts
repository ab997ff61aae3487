/**
 * Asks outboxes to wait while a handler works, so that they do not send its message again.
 *
 * Invariants:
 *  PATIENCE-1. While a task runs its outbox is asked every `EVERY_MS` at the latest, each time for longer than three
 *              rounds, so that a lost ack does no harm.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import { pause } from "@acktor/shared/runtime/pause";
import type { Role } from "@acktor/shared/runtime/supervisor";
import type { Acks } from "../ack/ack-sender.ts";
import type { Counts } from "../control/counts.ts";
import type { AsksPatience, Task } from "./task.ts";
import type { TaskRegistry } from "./task-registry.ts";

export interface PatienceParts {
  readonly registry: TaskRegistry;
  readonly acks: Acks;
  readonly counts: Counts;
  readonly clock: Pick<Clock, "now">;
}

/** Before the shortest ack timeout that is of use. */
const FIRST_AFTER_MS = 300;
const EVERY_MS = 3_000;
const TICK_MS = 100;
const FOR_MS = 10_000;

export class Patience implements AsksPatience, Role {
  readonly #parts: PatienceParts;

  constructor(parts: PatienceParts) {
    this.#parts = parts;
  }

  /** When a task that begins now asks for the first time. */
  firstAt(): number {
    return this.#parts.clock.now() + FIRST_AFTER_MS;
  }

  ask({ message, hold }: Task, forMs: number): void {
    const { acks, clock, counts } = this.#parts;
    const at = clock.now();
    if (hold !== null) hold.patienceAt = at + Math.min(EVERY_MS, forMs / 2);
    if (message.answerTo === null || message.attemptToken === null) return;
    counts.working++;
    acks.answer(message, { status: "working", forMs, elapsedMs: at - (message.arrivedAt ?? at) });
  }

  /** The role. Ends with its signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, registry } = this.#parts;
    while (await pause(TICK_MS, signal)) {
      const at = clock.now();
      // PATIENCE-1
      for (const task of registry.tasks()) if ((task.hold?.patienceAt ?? at) <= at) this.ask(task, FOR_MS);
    }
  }
}
