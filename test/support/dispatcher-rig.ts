/** A dispatcher between a fake link and a fake outbox, on a clock that only the test moves. */

import { DeliveryPolicy } from "@acktor/publisher/dispatch/delivery-policy";
import { Destinations } from "@acktor/publisher/dispatch/destinations";
import { Dispatcher, type DispatcherParts } from "@acktor/publisher/dispatch/dispatcher";
import { Doorbell } from "@acktor/publisher/dispatch/doorbell";
import { type Attempt, type InFlight, InFlightBook } from "@acktor/publisher/dispatch/in-flight-book";
import { RetryDelay } from "@acktor/publisher/dispatch/retry-delay";
import type { AttemptRecord, LeasedMessage, ParkingFacts } from "@acktor/publisher/outbox/outbox";
import { UNWATCHED } from "@acktor/shared/inspect/deliveries";
import type { PublishOutcome } from "@acktor/shared/link/link";
import { AckPrefixes } from "@acktor/shared/protocol/ack-prefixes";
import type { Clock, Random } from "@acktor/shared/runtime/clock";
import type { ErrorPolicy } from "@acktor/shared/runtime/error-policy";
import { NO_TRACING } from "@acktor/shared/runtime/tracing";
import { type FakeLink, fakeLink } from "./fake-link.ts";
import { UNSEALED } from "./proof.ts";
import { HALF, testClock } from "./test-clock.ts";

export const TICK_MS = 50;
export const LEASE_MS = 15_000;
export const PUBACK: PublishOutcome = { kind: "acked", reasonCode: 0 };

/** What the dispatcher passed to the outbox. */
export interface Told {
  readonly records: AttemptRecord[];
  readonly brokerAcked: Attempt[];
  readonly failed: { readonly message: LeasedMessage; readonly reason: string }[];
  readonly released: { readonly messages: readonly LeasedMessage[]; readonly dueInMs: number }[];
  readonly parked: { readonly destination: string; readonly messages: readonly LeasedMessage[] }[];
  /** Of each of `parked`. */
  readonly facts: ParkingFacts[];
  readonly unparked: string[];
  lows: number;
}

export interface Rig {
  readonly dispatcher: Dispatcher;
  readonly book: InFlightBook;
  readonly link: FakeLink;
  readonly told: Told;
  /** Monotonic milliseconds. */
  now(): number;
  /** Lets time pass, tick by tick. */
  pass(ms: number): void;
  /** Lets time pass without a tick. */
  passWithoutTick(ms: number): void;
  /** Offers messages with a lease of LEASE_MS from now. Where `strangers` is not set, new destinations are proven first. */
  offer(...messages: LeasedMessage[]): void;
  /** A destination has answered. */
  prove(name: string): void;
  /** A destination is parked. */
  park(name: string): void;
  /** Ids in the order in which they were published. */
  published(): string[];
  /** What is in flight under this id. */
  inFlight(id: string): InFlight | null;
  /** A birth: silent destinations are resumed. @returns those that were parked */
  unpark(matches: (name: string) => boolean): readonly string[];
  /** A birth: what is in flight for these topics is due at its ack timeout. */
  retryAtAckTimeout(matches: (topic: string) => boolean): void;
  /** Reports the outcome of a PUBLISH: the latest of this id by default. */
  settle(id: string, outcome: PublishOutcome): void;
  /** An ack of this id arrives. @returns false when nothing is in flight under it */
  ack(id: string): boolean;
  /** The outbox has written the records that it received. */
  confirm(fenced?: ReadonlySet<string>): void;
}

export interface RigOptions
  extends Partial<Pick<DispatcherParts, "window" | "destinations" | "ackTimeout" | "deliveries" | "tracing" | "seal">> {
  readonly policy?: ErrorPolicy;
  readonly random?: Random;
  readonly destinationLevels?: number;
  /** Destinations have not answered before. */
  readonly strangers?: boolean;
  /** Milliseconds since 1970. */
  readonly wallAt?: number;
  /** Replaces the default, which only counts. */
  readonly doorbell?: Doorbell;
  /** Replaces the clock that only the test moves. */
  readonly clock?: Clock;
}

/** The gate is open and the link accepts everything. */
export function dispatcherRig(options: RigOptions = {}): Rig {
  const { policy, random = HALF, destinationLevels = 0, strangers = false, wallAt, ...over } = options;
  const clock = testClock(1_000_000, wallAt);
  const link = fakeLink();
  link.room = Number.POSITIVE_INFINITY;
  const unconfirmed: Attempt[] = [];
  const told: Told = {
    records: [],
    brokerAcked: [],
    failed: [],
    released: [],
    parked: [],
    facts: [],
    unparked: [],
    lows: 0,
  };
  const destinations = over.destinations ?? new Destinations(destinationLevels);
  const book = new InFlightBook(destinations);
  const doorbell = new Doorbell();
  doorbell.roomIsFree = () => {
    told.lows++;
  };
  const dispatcher = new Dispatcher({
    ...{ link, clock, destinations, book, doorbell, seal: UNSEALED, deliveries: UNWATCHED, tracing: NO_TRACING },
    writes: {
      recordAttempts(records, attempts) {
        told.records.push(...records);
        unconfirmed.push(...attempts);
      },
      fail: (message, reason) => void told.failed.push({ message, reason }),
      release: (messages, dueInMs) => void told.released.push({ messages, dueInMs }),
      park(destination, messages, facts) {
        told.parked.push({ destination, messages });
        told.facts.push(facts);
      },
      unpark: (destination) => void told.unparked.push(destination),
    },
    brokerAcks: { brokerAcked: (attempt) => void told.brokerAcked.push(attempt) },
    policy: new DeliveryPolicy(policy ?? null, clock),
    retryDelay: new RetryDelay({ baseMs: 1_000, capMs: 60_000 }, random),
    ackPrefixes: new AckPrefixes("delivery/ack"),
    window: 512,
    publishDeadlineMs: 2_000,
    ackTimeout: { minMs: 2_000, maxMs: 30_000 },
    ...over,
  });
  dispatcher.setOpen(true);
  return {
    dispatcher,
    book,
    link,
    told,
    now: () => clock.at,
    pass(ms) {
      for (const end = clock.at + ms; clock.at < end; ) {
        clock.at = Math.min(end, clock.at + TICK_MS);
        dispatcher.tick();
      }
    },
    passWithoutTick(ms) {
      clock.at += ms;
    },
    offer(...messages) {
      for (const { topic } of strangers ? [] : messages)
        if (destinations.known(topic) === undefined) destinations.ofTopic(topic).heard(clock.at);
      dispatcher.offer(messages, clock.at + LEASE_MS);
    },
    prove: (name) => destinations.named(name).heard(clock.at),
    park: (name) => dispatcher.health.park(destinations.named(name)),
    published: () => link.published.map(({ message }) => idIn(message.payload)),
    inFlight: (id) => book.find(id),
    unpark: (matches) => throughAllSteps(dispatcher.unparkInSteps(matches)),
    retryAtAckTimeout: (matches) => throughAllSteps(dispatcher.retryAtAckTimeoutInSteps(matches)),
    settle(id, outcome) {
      const found = link.published.findLast(({ message }) => idIn(message.payload) === id);
      if (found === undefined) throw new Error(`${id} was not published`);
      found.settle(outcome);
    },
    ack(id) {
      const attempt = book.find(id);
      if (attempt !== null) dispatcher.answered(attempt);
      return attempt !== null;
    },
    confirm(fenced = new Set()) {
      for (const { message, reason } of book.recorded(unconfirmed.splice(0), fenced)) {
        told.failed.push({ message, reason });
      }
    },
  };
}

function idIn(payload: string | Buffer): string {
  return (JSON.parse(String(payload)) as { message_id: string }).message_id;
}

function throughAllSteps<Result>(steps: Generator<undefined, Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
