/** A dispatcher between a fake link and a fake outbox, on a clock that only the test moves. */
import { Dispatcher, type DispatcherOptions } from "@acktor/publisher/dispatch/dispatcher";
import type { InFlight } from "@acktor/publisher/dispatch/in-flight";
import type { AttemptRecord, LeasedMessage } from "@acktor/publisher/outbox/outbox";
import type { PublishOutcome } from "@acktor/shared/link/link";
import { type FakeLink, fakeLink } from "./fake-link.ts";
import { UNSEALED } from "./proof.ts";

export const TICK_MS = 50;
export const LEASE_MS = 15_000;
export const PUBACK: PublishOutcome = { kind: "acked", reasonCode: 0 };

/** What the dispatcher told its sink. */
export interface Told {
  readonly records: AttemptRecord[];
  readonly brokerAcked: InFlight[];
  readonly failed: { readonly message: LeasedMessage; readonly reason: string }[];
  readonly released: { readonly messages: readonly LeasedMessage[]; readonly dueInMs: number }[];
  readonly parked: { readonly destination: string; readonly messages: readonly LeasedMessage[] }[];
  readonly answered: { readonly destination: string; readonly wasParked: boolean }[];
  lows: number;
}

export interface Rig {
  readonly dispatcher: Dispatcher;
  readonly link: FakeLink;
  readonly told: Told;
  /** Monotonic milliseconds. */
  now(): number;
  /** Lets time pass, tick by tick. */
  pass(ms: number): void;
  /** Lets time pass that no tick has seen yet. */
  passWithoutTick(ms: number): void;
  /** Leases from now on for LEASE_MS. */
  offer(...messages: LeasedMessage[]): void;
  /** Ids in the order in which they were published. */
  published(): string[];
  /** Says how a PUBLISH ended, the latest of this id unless told which. */
  settle(id: string, outcome: PublishOutcome): void;
  /** An ack of this id arrives. @returns false when nothing is in flight under it */
  ack(id: string): boolean;
  /** The outbox has written the records that it received. */
  confirm(fenced?: ReadonlySet<string>): void;
}

/** The gate is open and the link takes everything. */
export function dispatcherRig(over: Partial<Omit<DispatcherOptions, "sink" | "link" | "now">> = {}): Rig {
  let now = 1_000_000;
  const link = fakeLink();
  link.room = Number.POSITIVE_INFINITY;
  const unconfirmed: InFlight[] = [];
  const told: Told = { records: [], brokerAcked: [], failed: [], released: [], parked: [], answered: [], lows: 0 };
  const dispatcher = new Dispatcher({
    link,
    now: () => now,
    random: () => 0.5,
    ackPrefix: "delivery/ack",
    seal: UNSEALED,
    window: 512,
    destinationLevels: 0,
    publishDeadlineMs: 2_000,
    ackTimeout: { minMs: 2_000, maxMs: 30_000 },
    retry: { baseMs: 1_000, capMs: 60_000 },
    ...over,
    sink: {
      recordAttempts(records, entries) {
        told.records.push(...records);
        unconfirmed.push(...entries);
      },
      brokerAcked: (entry) => void told.brokerAcked.push(entry),
      fail: (message, reason) => void told.failed.push({ message, reason }),
      release: (messages, dueInMs) => void told.released.push({ messages, dueInMs }),
      park: (destination, messages) => void told.parked.push({ destination, messages }),
      answered: (destination, wasParked) => void told.answered.push({ destination, wasParked }),
      low: () => {
        told.lows++;
      },
    },
  });
  dispatcher.setOpen(true);
  return {
    dispatcher,
    link,
    told,
    now: () => now,
    pass(ms) {
      for (const end = now + ms; now < end; ) {
        now = Math.min(end, now + TICK_MS);
        dispatcher.tick();
      }
    },
    passWithoutTick(ms) {
      now += ms;
    },
    offer: (...messages) => dispatcher.offer(messages, now + LEASE_MS),
    published: () => link.published.map(({ message }) => idIn(message.payload)),
    settle(id, outcome) {
      const found = link.published.findLast(({ message }) => idIn(message.payload) === id);
      if (found === undefined) throw new Error(`${id} was not published`);
      found.settle(outcome);
    },
    ack(id) {
      const entry = dispatcher.inFlight(id);
      if (entry !== null) dispatcher.answered(entry);
      return entry !== null;
    },
    confirm: (fenced = new Set()) => dispatcher.recorded(unconfirmed.splice(0), fenced),
  };
}

function idIn(payload: string | Buffer): string {
  return (JSON.parse(String(payload)) as { message_id: string }).message_id;
}
