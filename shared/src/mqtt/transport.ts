/** One connection to the broker, as the link sees it: types alone, so that a simulated transport needs no driver. */
import type { Clock } from "../runtime/clock.ts";
import type { BrokerAddress } from "./broker-address.ts";
import type { FailureInput } from "./failure-input.ts";
import type { BrokerLimits, IncomingMessage, OutgoingPublish, PublishOutcome, Subscription } from "./messages.ts";
import type { OnOutcome, OutstandingPublish } from "./outstanding.ts";
import type { RoundTrip } from "./round-trip.ts";

/** The broker publishes it when the connection ends without a DISCONNECT. */
export interface Will {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/** MQTT 5: the method that CONNECT names, and its data. */
export interface EnhancedAuth {
  readonly method: string;
  readonly data: Buffer;
}

/** For mqtts and wss. The broker's certificate is always verified, against `ca` or the system's. */
export interface TlsOptions {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** Protocol names of ALPN, for mqtts. */
  readonly alpn?: readonly string[];
}

export interface TransportOptions {
  readonly address: BrokerAddress;
  readonly username: string | null;
  readonly password: string | null;
  readonly auth: EnhancedAuth | null;
  readonly clientId: string;
  readonly protocolVersion: 4 | 5;
  readonly keepaliveSeconds: number;
  /** Milliseconds to the open socket, from there to CONNACK, and from a SUBSCRIBE to its SUBACK. A floor, as the next two. */
  readonly connectTimeoutMs: number;
  /** Milliseconds from a PUBLISH to its PUBACK (PUBCOMP). */
  readonly publishDeadlineMs: number;
  /** Milliseconds without a byte, while a PUBLISH waits for its answer, after which the connection is dead. */
  readonly silenceMs: number;
  /** What is known of the line: the floors above are raised by it. */
  readonly roundTrip: RoundTrip;
  /** Most publishes that wait for an answer, where the broker's Receive Maximum is not smaller. */
  readonly sendQuota: number;
  readonly sharedSubscriptionsOn311: boolean;
  readonly will: Will | null;
  readonly tls: TlsOptions;
  /** By filter. The transport reads it when CONNACK arrives. */
  readonly wanted: ReadonlyMap<string, Subscription>;
  readonly clock: Clock;
}

export interface Transport {
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
  /** True from the last SUBACK to the end. */
  readonly isReady: boolean;
  /** Publishes that wait for an answer. */
  readonly inFlight: number;
  /** Monotonic milliseconds of the last byte in or out. */
  readonly activeAt: number;
  /** How many publishes it accepts now. */
  capacity(): number;
  /**
   * Accepts a publish; `TransportListener.settled` reports its outcome later.
   * @param tag returned with the outcome
   * @returns null, or why it was not accepted: then nothing was written and no outcome follows
   */
  publish(message: OutgoingPublish, tag: number, onOutcome: OnOutcome): UnsentReason | null;
  /** Subscribes on this connection. Before CONNACK it does nothing: CONNACK subscribes to all that is wanted. */
  subscribe(subscriptions: readonly Subscription[]): void;
  unsubscribe(filter: string): void;
  /** Sends DISCONNECT where there is a connection, and closes it in any case. A second call has no effect. */
  close(): Promise<void>;
}

export interface TransportListener {
  /** CONNACK has arrived, and every SUBACK but those of optional subscriptions. */
  ready(limits: BrokerLimits): void;
  /** @param unanswered optional filters whose SUBACK was outstanding */
  ended(input: FailureInput, unanswered: readonly string[]): void;
  /** The broker refused a subscription that is not required. @param code of SUBACK; null: no SUBACK in time */
  refused(subscription: Subscription, code: number | null, said?: string): void;
  message(message: IncomingMessage): void;
  settled(entry: OutstandingPublish, outcome: PublishOutcome, at: number): void;
  /** Once in each event-loop turn in which publishes were settled or the socket drained. */
  roomChanged(): void;
}

/** Opens connections: over MQTT, or simulated. */
export interface Transports {
  /** May throw on unusable TLS options. */
  open(options: TransportOptions, listener: TransportListener): Transport;
}

export type UnsentReason = Extract<PublishOutcome, { kind: "unsent" }>["why"];
