/** What a transport is made of, and what it says: types alone, so that those who use one need no driver. */
import type { BrokerAddress } from "./broker-address.ts";
import type { FailureInput } from "./failure-input.ts";
import type { BrokerLimits, IncomingMessage, PublishOutcome, Subscription } from "./messages.ts";
import type { OutstandingPublish } from "./outstanding.ts";

/** Said by the broker when the connection ends without a goodbye. */
export interface Will {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/** For mqtts and wss. The broker's certificate is always verified, against `ca` or the system's. */
export interface TlsOptions {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

export interface TransportOptions {
  readonly address: BrokerAddress;
  readonly username: string | null;
  readonly password: string | null;
  readonly clientId: string;
  readonly protocolVersion: 4 | 5;
  readonly keepaliveSeconds: number;
  /** Milliseconds to CONNACK, and from a SUBSCRIBE to its SUBACK. */
  readonly connectTimeoutMs: number;
  /** Milliseconds from a PUBLISH to its PUBACK (PUBCOMP). */
  readonly publishDeadlineMs: number;
  /** Milliseconds without a byte, while a PUBLISH waits, after which the connection is dead. */
  readonly silenceMs: number;
  /** Most publishes that wait for an answer, where the broker does not say less. */
  readonly sendQuota: number;
  readonly sharedSubscriptionsOn311: boolean;
  readonly will: Will | null;
  readonly tls: TlsOptions;
  /** What is wanted when CONNACK comes. */
  readonly subscriptions: () => readonly Subscription[];
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface TransportHandlers {
  ready(limits: BrokerLimits): void;
  ended(input: FailureInput): void;
  message(message: IncomingMessage): void;
  settled(entry: OutstandingPublish, outcome: PublishOutcome, at: number): void;
  /** Once in each event-loop turn in which publishes were settled or the socket drained. */
  turn(): void;
}

export type UnsentReason = Extract<PublishOutcome, { kind: "unsent" }>["why"];
