/** What crosses a connection, in MQTT's terms: messages, subscriptions, limits, and the outcome of a publish. */
import type { FailureInput } from "./failure-input.ts";

/** One PUBLISH. `expirySeconds`, `responseTopic` and what follows are sent on MQTT 5 only. */
export interface OutgoingPublish {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly expirySeconds?: number;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  readonly contentType?: string;
  readonly userProperties?: Readonly<Record<string, string>>;
}

/**
 * The outcome of one PUBLISH. Every accepted publish gets exactly one.
 *  - `acked`: PUBACK (PUBCOMP) with a reason below 0x80, or written, for QoS 0. 0x10: no client had subscribed.
 *  - `refused`: PUBACK/PUBREC with a reason of 0x80 or above; the connection is fine. `said`: its Reason String.
 *  - `lost`: written, then the connection ended or the deadline passed without a PUBACK: the broker may have it.
 *  - `unsent`: nothing was written (not connected, breaker, too large for this broker, QoS or retain that it lacks).
 */
export type PublishOutcome =
  | { readonly kind: "acked"; readonly reasonCode: number }
  | { readonly kind: "refused"; readonly reasonCode: number; readonly said?: string }
  /** `cause`: how the connection ended; none where we closed it. `overtaken`: a later PUBLISH was answered. */
  | { readonly kind: "lost"; readonly why: "disconnected"; readonly cause?: FailureInput }
  | { readonly kind: "lost"; readonly why: "deadline"; readonly overtaken?: boolean }
  | {
      readonly kind: "unsent";
      readonly why:
        | "not_connected"
        | "breaker_open"
        | "window_full"
        | "too_large"
        | "qos_unsupported"
        | "retain_unsupported";
    };

export interface IncomingMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly userProperties: Readonly<Record<string, string | string[]>> | undefined;
}

export interface Subscription {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  /** Retain Handling 2: the broker sends no retained messages at SUBSCRIBE. On MQTT 3.1.1 it sends them all the same. */
  readonly ignoresRetained?: boolean;
  /**
   * What a refusal means:
   *  - `required` (the default): the connection ends;
   *  - `one_of`: the connection ends only when every filter of this kind is refused;
   *  - `optional`: the connection is used without it, and does not wait for its SUBACK.
   */
  readonly need?: Need;
}

export type Need = "required" | "one_of" | "optional";

/** What the broker refused, and the connection does without. */
export interface Refusal {
  readonly feature: "will" | "subscription";
  /** Of a subscription. */
  readonly filter: string | null;
  readonly need: Exclude<Need, "required">;
  /** One line, no secrets. */
  readonly reason: string;
  readonly code: number | null;
}

/** What CONNACK granted. */
export interface BrokerLimits {
  readonly receiveMaximum: number;
  readonly maximumPacketSize: number;
  readonly maximumQos: 0 | 1 | 2;
  readonly retainAvailable: boolean;
  /** False where the broker denies `$share`, or speaks 3.1.1 and `$share` is not configured. */
  readonly sharedSubscriptions: boolean;
}
