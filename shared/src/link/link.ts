/**
 * What a service sees of its MQTT connection. `create-link.ts` makes one.
 *
 * The link is a state machine (regions `connection` and `breaker`); this interface is its hot path and its facts.
 */
import type {
  BrokerLimits,
  IncomingMessage,
  OutgoingPublish,
  PublishOutcome,
  Refusal,
  Subscription,
} from "../mqtt/messages.ts";
import type { ErrorType } from "../runtime/error-type.ts";

export type { BrokerLimits, ErrorType, IncomingMessage, OutgoingPublish, PublishOutcome, Refusal, Subscription };

export type ConnectionState = "DISCONNECTED" | "CONNECTING" | "CONNECTED" | "RECONNECTING" | "ERROR";
export type BreakerState = "CLOSED" | "OPEN" | "HALF_OPEN";

export interface LinkFailure {
  readonly type: ErrorType;
  readonly retryable: boolean;
  /** One line, no secrets: what happened. */
  readonly reason: string;
  readonly code: string | number | null;
}

/** Facts that the link emits. A listener that throws does not affect the others. */
export interface LinkEvents {
  "link.connected": { readonly protocolVersion: 4 | 5; readonly broker: string; readonly clientId: string };
  /** `expected`: caused by `disconnect` or `stop`. */
  "link.disconnected": { readonly expected: boolean; readonly failure: LinkFailure | null };
  /** A CONNECTED after the first one. `afterMs`: time without a connection. */
  "link.reconnected": { readonly afterMs: number };
  "link.error": LinkFailure;
  /** The broker refused something optional on this connection, which is used without it. */
  "link.refused": Refusal;
  "link.message": IncomingMessage;
  /** Any move of either region. */
  "link.transition": {
    readonly region: "connection" | "breaker";
    readonly from: string;
    readonly to: string;
    readonly event: string;
  };
  /** The broker leaves out PUBLISHes beyond a rate. Once, until it takes any rate again. */
  "link.quota": { readonly perSecond: number };
  /** `capacity()` rose from 0. */
  "link.writable": Record<string, never>;
}

/** State and statistics in one value. Times are milliseconds since 1970 by this machine's clock, for people to read. */
export interface LinkInfo {
  readonly state: ConnectionState;
  readonly breaker: BreakerState;
  /** Broker's address without credentials. */
  readonly broker: string;
  readonly clientId: string;
  readonly protocolVersion: 4 | 5 | null;
  readonly uptimeMs: number | null;
  readonly connectedAt: number | null;
  readonly disconnectedAt: number | null;
  readonly lastActivityAt: number | null;
  readonly lastError: (LinkFailure & { readonly at: number }) | null;
  /** Connection attempts since the link last held (the `n` of the backoff). */
  readonly retryCount: number;
  /** When the next connection attempt is due, or null. */
  readonly nextAttemptAt: number | null;
  readonly inFlight: number;
  readonly stats: {
    readonly connectionAttempts: number;
    readonly successfulConnections: number;
    readonly disconnections: number;
    readonly messagesSent: number;
    readonly messagesReceived: number;
    readonly breakerOpenings: number;
    readonly errorsByType: Readonly<Partial<Record<ErrorType, number>>>;
  };
  /** PUBLISHes a second beyond which the broker leaves some out, about; null: no such quota was seen. */
  readonly quota: number | null;
  /** What CONNACK granted; null while not connected. */
  readonly limits: BrokerLimits | null;
  /** What this connection does without, because the broker refused it. */
  readonly refused: readonly Refusal[];
}

/** What the link has learned of its line, milliseconds; 0 where nothing was answered yet. */
export interface LinkPace {
  readonly roundTripMs: number;
  /** Nearly every answer comes within this. */
  readonly expectedMs: number;
  /** A PUBLISH without PUBACK for this long is lost. */
  readonly deadlineMs: number;
}

export type CommandResult = { readonly ok: true } | { readonly ok: false; readonly reason: string };

export interface Link {
  /** Starts connecting. Returns immediately; with `waitMs`, when CONNECTED or after that time (the attempts continue). */
  connect(options?: { readonly waitMs?: number }): Promise<CommandResult>;
  /** Sends DISCONNECT, ends the session; the link stays usable. */
  disconnect(): Promise<CommandResult>;
  /** From ERROR or RECONNECTING: connects now, closes the breaker, and starts the backoff from 0. */
  reset(): CommandResult;
  openBreaker(): CommandResult;
  closeBreaker(): CommandResult;
  /** How many publishes the link accepts now: 0 unless CONNECTED and the breaker admits (HALF_OPEN: probes left). */
  capacity(): number;
  /**
   * From an `onOutcome` of a publish that was lost with its connection: the broker closed it because of that message. Neither
   * backoff nor breaker counts this end.
   */
  excuse(): void;
  /** Never throws; calls `onOutcome` exactly once (for `unsent` before it returns). */
  publish(message: OutgoingPublish, onOutcome: (outcome: PublishOutcome) => void): void;
  /** Subscribes on every connection from now on. The link is CONNECTED only after SUBACK of each one that is not optional. */
  subscribe(subscription: Subscription): void;
  unsubscribe(filter: string): void;
  on<K extends keyof LinkEvents>(event: K, listener: (fact: LinkEvents[K]) => void): () => void;
  info(): LinkInfo;
  /** Cheap, for each message. */
  pace(): LinkPace;
  /** Stops the link: no client, timer or socket is left. May be called early; a second call has no effect. */
  stop(): Promise<void>;
}
