/**
 * What a service sees of its MQTT connection. `create-link.ts` makes one; nobody else touches the driver.
 *
 * The link is a state machine (region `connection` and region `breaker`); this interface is its hot path and its facts.
 */
import type { BrokerLimits, IncomingMessage, OutgoingPublish, PublishOutcome, Subscription } from "../mqtt/messages.ts";
import type { ErrorType } from "../runtime/error-type.ts";

export type { BrokerLimits, ErrorType, IncomingMessage, OutgoingPublish, PublishOutcome, Subscription };

export type ConnectionState = "DISCONNECTED" | "CONNECTING" | "CONNECTED" | "RECONNECTING" | "ERROR";
export type BreakerState = "CLOSED" | "OPEN" | "HALF_OPEN";

export interface LinkFailure {
  readonly type: ErrorType;
  readonly retryable: boolean;
  /** One line, no secrets: what happened. */
  readonly reason: string;
  readonly code: string | number | null;
}

/** Facts the link emits (S6). A listener that throws hurts nobody else. */
export interface LinkEvents {
  "link.connected": { readonly protocolVersion: 4 | 5; readonly broker: string; readonly clientId: string };
  /** `expected`: asked for by `disconnect` or `stop`. */
  "link.disconnected": { readonly expected: boolean; readonly failure: LinkFailure | null };
  /** A CONNECTED after the first one. `afterMs` = time without a connection. */
  "link.reconnected": { readonly afterMs: number };
  "link.error": LinkFailure;
  "link.message": IncomingMessage;
  /** Any move of either region. */
  "link.transition": {
    readonly region: "connection" | "breaker";
    readonly from: string;
    readonly to: string;
    readonly event: string;
  };
  /** `capacity()` rose from 0. */
  "link.writable": Record<string, never>;
}

/** S7 and S8 in one value. Times are milliseconds since 1970 by this machine's clock, for people to read. */
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
  /** What CONNACK granted; null while not connected. */
  readonly limits: BrokerLimits | null;
}

export type CommandResult = { readonly ok: true } | { readonly ok: false; readonly reason: string };

export interface Link {
  /** Asks for CONNECTED; returns at once, or with `waitMs` when CONNECTED or the time is over (the attempt goes on). */
  connect(options?: { readonly waitMs?: number }): Promise<CommandResult>;
  /** Sends DISCONNECT, ends the session; the link stays usable. */
  disconnect(): Promise<CommandResult>;
  /** From ERROR or RECONNECTING: try now, breaker closed, backoff from the start. */
  reset(): CommandResult;
  openBreaker(): CommandResult;
  closeBreaker(): CommandResult;
  /** How many publishes the link takes now: 0 unless CONNECTED and the breaker admits (HALF_OPEN: probes left). */
  capacity(): number;
  /** Never throws; calls `onOutcome` exactly once (for `unsent` before it returns). */
  publish(message: OutgoingPublish, onOutcome: (outcome: PublishOutcome) => void): void;
  /** Wanted from now on, on every connection. CONNECTED is said only after SUBACK of every wanted subscription. */
  subscribe(subscription: Subscription): void;
  unsubscribe(filter: string): void;
  on<K extends keyof LinkEvents>(event: K, listener: (fact: LinkEvents[K]) => void): () => void;
  info(): LinkInfo;
  /** Ends everything: no client, timer or socket is left. Twice and early is fine. */
  stop(): Promise<void>;
}
