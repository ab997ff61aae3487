/**
 * The tasks that have a lease of their own and are not done.
 *
 * Invariants:
 *  REGISTRY-1. The end of a task frees its place in the intake, and ends its span, once.
 */
import type { Lease } from "../inbox/renew-leases.ts";
import type { Places } from "../subscribe/places.ts";
import type { Hold, Task } from "./task.ts";

export class TaskRegistry {
  readonly #places: Places;
  readonly #tasks = new Set<Task>();
  /** The task of each message; the newer one where its lease expired and was taken again. */
  readonly #byMessage = new Map<string, Task>();
  /** Written by `whenEmpty`. */
  #onEmpty: (() => void) | null = null;

  constructor(places: Places) {
    this.#places = places;
  }

  add(task: Task, hold: Hold): void {
    this.#tasks.add(task);
    this.#byMessage.set(hold.lease.messageId, task);
    task.adopt(hold);
  }

  end(task: Task): void {
    // REGISTRY-1
    if (!this.#tasks.delete(task)) return;
    const { hold } = task;
    if (hold !== null) {
      const { messageId } = hold.lease;
      if (this.#byMessage.get(messageId) === task) this.#byMessage.delete(messageId);
      hold.span?.end({ outcome: "abandoned", failed: true });
      this.#places.release(hold.held);
    }
    task.end();
    if (this.#tasks.size === 0) this.#onEmpty?.();
  }

  tasks(): Iterable<Task> {
    return this.#tasks;
  }

  find(messageId: string): Task | undefined {
    return this.#byMessage.get(messageId);
  }

  leases(): Lease[] {
    return Array.from(this.#tasks, ({ hold }) => hold?.lease).filter((lease) => lease !== undefined);
  }

  whenEmpty(): Promise<void> {
    if (this.#tasks.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }
}
