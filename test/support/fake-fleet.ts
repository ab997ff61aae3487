/** Made-up instances and events in the form of inspection's wire format, for tests of the page alone. */

import { receiverMachine } from "@acktor/acker/subscribe/receiver-machine";
import { dispatcherMachine } from "@acktor/publisher/dispatch/dispatcher-machine";
import { periodicMachine } from "@acktor/publisher/janitor/periodic-machine";
import { describeMachine } from "@acktor/shared/inspect/describe-machine";
import type {
  ActorEvent,
  ActorSnapshot,
  DeliveriesEvent,
  DeliveryEntry,
  InstanceSnapshot,
  MachineDefinition,
  StateValue,
} from "@acktor/shared/inspect/wire";
import { linkMachine } from "@acktor/shared/link/link-machine";
import type { ServiceName } from "@acktor/shared/protocol/subjects";
import { supervisorMachine } from "@acktor/shared/runtime/supervisor-machine";

export const DEFINITIONS: readonly MachineDefinition[] = [
  describeMachine(linkMachine),
  describeMachine(supervisorMachine),
  describeMachine(dispatcherMachine),
  describeMachine(periodicMachine),
  describeMachine(receiverMachine),
];

const STARTED_AT = Date.now() - 3_725_000;

/** The state of each actor of a service without trouble. */
const CALM: Readonly<Record<ServiceName, Readonly<Record<string, StateValue>>>> = {
  publisher: {
    supervisor: "RUNNING",
    link: { connection: "CONNECTED", breaker: "CLOSED" },
    dispatcher: "WAITING",
    expiry: "WAITING",
  },
  acker: {
    supervisor: "RUNNING",
    link: { connection: "CONNECTED", breaker: "CLOSED" },
    receiver: "LISTENING",
  },
};

const CAN: Readonly<Record<string, ActorSnapshot["can"]>> = {
  link: ["disconnect", "breaker.open"],
  supervisor: ["pause", "drain"],
};

function machineOf(actor: string): string {
  return DEFINITIONS.some(({ id }) => id === actor) ? actor : "periodic";
}

/** An instance of a fleet. It numbers its own events. */
export class FakeInstance {
  readonly service: ServiceName;
  readonly instance: string;
  readonly boot: string;
  seq = 0;
  readonly #values: Map<string, StateValue>;

  constructor(service: ServiceName, instance: string) {
    this.service = service;
    this.instance = instance;
    this.boot = `${instance}-1`;
    this.#values = new Map(Object.entries(CALM[service]));
  }

  /** Moves an actor to another state. */
  move(actor: string, value: StateValue, event: string, edges: readonly string[] = []): ActorEvent {
    this.#values.set(actor, value);
    return { ...this.#stamp(), kind: "transition", event, edges, ...this.#actor(actor), ts: Date.now() };
  }

  deliver(steps: readonly DeliveryEntry[]): DeliveriesEvent {
    const counts: Partial<Record<DeliveryEntry["step"], number>> = {};
    for (const { step } of steps) counts[step] = (counts[step] ?? 0) + 1;
    return { ...this.#stamp(), kind: "deliveries", counts, steps };
  }

  snapshot(): InstanceSnapshot {
    const { service, instance, boot } = this;
    const actors = [...this.#values.keys()].map((actor): ActorSnapshot => {
      return { ...this.#actor(actor), service, instance, event: null, edges: [], ts: STARTED_AT, status: "active" };
    });
    const times = { ts: Date.now(), startedAt: STARTED_AT };
    return { v: 1, service, instance, boot, version: "0.1.0", seq: this.seq, ...times, actors, summary: {} };
  }

  #stamp() {
    const { service, instance, boot } = this;
    return { v: 1, seq: ++this.seq, ts: Date.now(), service, instance, boot } as const;
  }

  #actor(actor: string) {
    const context =
      actor === "link" ? { attempt: 0, failedConnects: 0, version: { speak: 5 } } : { failures: 0, runs: 12 };
    const value = this.#values.get(actor) ?? "WAITING";
    return { actor, machine: machineOf(actor), value, context, delays: [], can: CAN[actor] ?? [] };
  }
}

/** A fleet of `publishers` publishers and `ackers` ackers, named by number. */
export function fakeFleet(publishers: number, ackers: number): FakeInstance[] {
  const many = (service: ServiceName, count: number): FakeInstance[] =>
    Array.from({ length: count }, (_, index) => new FakeInstance(service, `${service}-${index + 1}`));
  return [...many("publisher", publishers), ...many("acker", ackers)];
}
