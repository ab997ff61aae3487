/** A link without a broker: tests set its answers. It has only what the acker's and publisher's steps use. */
import type {
  BreakerState,
  Link,
  LinkEvents,
  OutgoingPublish,
  PublishOutcome,
  Subscription,
} from "@acktor/shared/link/link";

type Unsent = Extract<PublishOutcome, { kind: "unsent" }>["why"];

export interface FakeLink extends Link {
  readonly published: { readonly message: OutgoingPublish; readonly settle: (outcome: PublishOutcome) => void }[];
  readonly subscribed: Map<string, Subscription>;
  /** How many publishes the link accepts before `capacity` is 0. */
  room: number;
  state: "CONNECTED" | "DISCONNECTED";
  breaker: BreakerState;
  /** Why the link does not write a message, or null. */
  refuses: (message: OutgoingPublish) => Unsent | null;
  shared: boolean;
  emit<K extends keyof LinkEvents>(event: K, fact: LinkEvents[K]): void;
}

export function fakeLink(): FakeLink {
  const listeners = new Map<string, Set<(fact: never) => void>>();
  const published: FakeLink["published"] = [];
  const subscribed = new Map<string, Subscription>();
  const link = {
    published,
    subscribed,
    room: 10,
    state: "CONNECTED",
    breaker: "CLOSED",
    refuses: () => null,
    shared: false,
    capacity: () => (link.state === "CONNECTED" ? link.room : 0),
    publish(message: OutgoingPublish, onOutcome: (outcome: PublishOutcome) => void) {
      const why = link.state === "CONNECTED" ? link.refuses(message) : "not_connected";
      if (why !== null) {
        onOutcome({ kind: "unsent", why });
        return;
      }
      link.room--;
      published.push({ message, settle: onOutcome });
    },
    subscribe: (subscription: Subscription) => void subscribed.set(subscription.filter, subscription),
    unsubscribe: (filter: string) => void subscribed.delete(filter),
    on(event: string, listener: (fact: never) => void) {
      const set = listeners.get(event) ?? new Set();
      listeners.set(event, set.add(listener));
      return () => void set.delete(listener);
    },
    emit(event: string, fact: unknown) {
      for (const listener of listeners.get(event) ?? []) (listener as (fact: unknown) => void)(fact);
    },
    excuse: () => undefined,
    pace: () => ({ roundTripMs: 0, expectedMs: 0, deadlineMs: 2_000 }),
    info: () => ({
      state: link.state,
      breaker: link.breaker,
      limits: link.state === "CONNECTED" ? { sharedSubscriptions: link.shared } : null,
    }),
  } as unknown as FakeLink;
  return link;
}
