/**
 * The control plane as the services see it: short texts on subjects, at most once. `nats-bus.ts` joins processes,
 * `local-bus.ts` the services of one.
 *
 * Invariants of every bus:
 *  1. Only what can be rebuilt from PostgreSQL, or asked for again, travels on it: a message may be lost.
 *  2. Nothing here throws or rejects because of the network, and a listener that throws hurts nobody else.
 *  3. What waits to be sent is bounded; beyond it messages are dropped and counted, nobody is held up.
 *  4. After `stop`, early and twice as well, no listener is called and nothing is sent.
 */
export interface BusMessage {
  readonly subject: string;
  readonly text: string;
  /** Answers a request; without an effect for what was published without asking. */
  respond(text: string): void;
}

export type BusListener = (message: BusMessage) => void;

/** `no_responder`: nobody listens. `deadline`: no answer in time. `away`: no connection. `refused`: too large. */
export type BusReply =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly kind: "no_responder" | "deadline" | "away" | "refused" };

export interface GatherOptions {
  /** Milliseconds. */
  readonly forMs: number;
  /** Replies at which the gathering ends early. */
  readonly most: number;
}

export interface SubscribeOptions {
  /** Of those who subscribe under one queue name, one gets each message. */
  readonly queue?: string;
}

export interface BusCounts {
  /** Not sent: no connection, or too much waited. */
  dropped: number;
  /** Listeners that threw. */
  listenerErrors: number;
}

export interface Bus {
  readonly kind: "local" | "nats";
  readonly connected: boolean;
  readonly counts: Readonly<BusCounts>;
  /** Says it to whoever listens. @returns false when it was dropped */
  publish(subject: string, text: string): boolean;
  /** `*` stands for one word of the subject, `>` for the rest. @returns what ends it; twice is fine */
  subscribe(subject: string, listener: BusListener, options?: SubscribeOptions): () => void;
  /** Asks one. */
  request(subject: string, text: string, deadlineMs: number): Promise<BusReply>;
  /** Asks all, and gives the answers that came in time, in the order in which they came. */
  requestMany(subject: string, text: string, options: GatherOptions): Promise<string[]>;
  /** Tells each change of `connected`. @returns what ends it */
  onStatus(listener: (connected: boolean) => void): () => void;
  stop(): Promise<void>;
}

/** Most answers that one gathering keeps. */
export const MOST_REPLIES = 1_000;
