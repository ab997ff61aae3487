/**
 * Tells the dispatcher's machine that there is something to claim, or room for it. Every part may ring; the run of the
 * dispatcher that is at work answers.
 *
 * Invariants:
 *  DOORBELL-1. A ring for new rows is remembered until the next claim, also while no run answers.
 */
import type { Actor } from "xstate";
import type { dispatcherMachine } from "./dispatcher-machine.ts";

export class Doorbell {
  /** Written by `answer`. */
  #machine: Actor<typeof dispatcherMachine> | null = null;
  /** Written by `ring` and `takeRetained`. */
  #retained = false;

  /** The machine of the current run. */
  answer(machine: Actor<typeof dispatcherMachine>): void {
    this.#machine = machine;
  }

  /** Rows were committed that wait for the claim. Some may be retained messages, which supersede older ones. */
  ring(): void {
    // DOORBELL-1
    this.#retained = true;
    this.ringForKnownRows();
  }

  /** Rows are due that were in the outbox before. */
  ringForKnownRows(): void {
    this.#machine?.send({ type: "outbox.woken" });
  }

  /** At least half of the memory for leased messages is free. */
  roomIsFree(): void {
    const machine = this.#machine;
    if (machine !== null && machine.getSnapshot().value === "SENDING") machine.send({ type: "queue.low" });
  }

  /** @returns whether retained rows may have come since the last call */
  takeRetained(): boolean {
    const retained = this.#retained;
    this.#retained = false;
    return retained;
  }
}
