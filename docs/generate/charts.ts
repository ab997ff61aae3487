/** Every machine of acktor: where its code is, and what it decides. */
import { receiverMachine } from "@acktor/acker/subscribe/receiver-machine";
import { dispatcherMachine } from "@acktor/publisher/dispatch/dispatcher-machine";
import { periodicMachine } from "@acktor/publisher/janitor/periodic-machine";
import { describeDelivery } from "@acktor/publisher/outbox/describe-delivery";
import { describeMachine } from "@acktor/shared/inspect/describe-machine";
import type { MachineDefinition } from "@acktor/shared/inspect/wire";
import { linkMachine } from "@acktor/shared/link/link-machine";
import { supervisorMachine } from "@acktor/shared/runtime/supervisor-machine";

export interface Subject {
  readonly definition: MachineDefinition;
  /** Its file, from the repository's root. */
  readonly source: string;
  readonly what: string;
}

export const SUBJECTS: readonly Subject[] = [
  {
    definition: describeMachine(linkMachine),
    source: "shared/src/link/link-machine.ts",
    what: "The connection and its circuit breaker, in both services.",
  },
  {
    definition: describeMachine(dispatcherMachine),
    source: "services/publisher/src/dispatch/dispatcher-machine.ts",
    what: "When the publisher looks into the outbox.",
  },
  {
    definition: describeMachine(receiverMachine),
    source: "services/acker/src/subscribe/receiver-machine.ts",
    what: "When the acker takes messages.",
  },
  {
    definition: describeMachine(supervisorMachine),
    source: "shared/src/runtime/supervisor-machine.ts",
    what: "The life of a service, from start to stop.",
  },
  {
    definition: describeMachine(periodicMachine),
    source: "services/publisher/src/janitor/periodic-machine.ts",
    what: "A role that does one piece of work again and again: expiry, retention, counting, probing.",
  },
  {
    definition: describeDelivery(),
    source: "services/publisher/src/outbox/delivery.ts",
    what: "The life of a message. No actor runs it: it is the table that the guard in the database is held against.",
  },
];
