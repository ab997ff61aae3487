/**
 * The control plane as the services see it: short texts on subjects, at most once. `nats-bus.ts` joins processes,
 * `local-bus.ts` the services of one.
 *
 * Invariants of every bus:
 *  1. Only what can be rebuilt from PostgreSQL, or asked for again, travels on it: a message may be lost.
 *  2. Nothing here throws or rejects because of the network.
 *  3. What waits to be sent is bounded; beyond it messages are dropped and counted, nobody is held up.
 *  4. After `stop`, early and twice as well, no listener is called and nothing is sent.
 *  BUS-5. A listener that throws, or whose promise is rejected, is counted, and ends neither another listener nor the
 *         process. So a listener returns its promise to the bus; it never drops it.
 *  BUS-6. Over a network a message beyond `mostBytes` of its listener is counted and dropped before it is decoded.
 */
/**
 * `unsigned`: no seal. `forged`: another key, subject, time, nonce or body. `stale`: outside of the window. `early`: said
 * before this process started. `replayed`: the nonce was used. `full`: too many nonces to remember one more.
 */
export type SealFault = "unsigned" | "forged" | "stale" | "early" | "replayed" | "full";

export interface SealRefusal {
  readonly kind: SealFault;
  /** A sentence; nothing of what was offered is in it but how far its clock is off. */
  readonly reason: string;
}

export interface BusMessage {
  readonly subject: string;
  readonly text: string;
  /** What the sealed message has once; null on a bus without seals. */
  readonly nonce: string | null;
  /** Answers a request; without an effect for what was published without asking. */
  respond(text: string): void;
}

/** A promise that it returns is the bus's to catch. */
export type BusListener = (message: BusMessage) => unknown;

/** False: this reply does not count, and ends nothing. */
export type ReplyJudge = (text: string) => boolean;

/**
 * `no_responder`: no listener. `deadline`: no answer in time. `away`: no connection. `refused`: too large. `unproven`: no
 * sealed answer in time, only this one, which anyone may have sent.
 */
export type BusReply =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly kind: "unproven"; readonly text: string }
  | { readonly ok: false; readonly kind: "no_responder" | "deadline" | "away" | "refused" };

export interface GatherOptions {
  /** Milliseconds. */
  readonly forMs: number;
  /** Replies at which the gathering ends early. */
  readonly most: number;
  readonly accept?: ReplyJudge;
}

export interface SubscribeOptions {
  /** Of those who subscribe under one queue name, one gets each message. */
  readonly queue?: string;
  /** Bytes; 1 MiB where it is left out. */
  readonly mostBytes?: number;
  /** On a sealed bus: no text is heard twice. */
  readonly once?: boolean;
  /** On a sealed bus: what carries no seal is heard too. */
  readonly unsealed?: boolean;
  /** On a sealed bus: answers what was not heard; its message has no text. Left out: it is counted alone. */
  readonly refused?: (message: BusMessage, why: SealRefusal) => unknown;
}

export interface BusCounts {
  /** Not sent: no connection, or too much waited. */
  dropped: number;
  /** Listeners that failed. */
  listenerErrors: number;
  /** Heard and not passed on: too large, or without a good seal. */
  refused: number;
}

export interface Bus {
  readonly kind: "local" | "nats";
  readonly connected: boolean;
  readonly counts: Readonly<BusCounts>;
  /** Says it to all that listen. @returns false when it was dropped */
  publish(subject: string, text: string): boolean;
  /** `*` stands for one word of the subject, `>` for the rest. @returns what ends it; twice is fine */
  subscribe(subject: string, listener: BusListener, options?: SubscribeOptions): () => void;
  /** Asks one. */
  request(subject: string, text: string, deadlineMs: number, accept?: ReplyJudge): Promise<BusReply>;
  /** Asks all, and gives the answers that came in time, in the order in which they came; `MOST_REPLY_BYTES` together. */
  requestMany(subject: string, text: string, options: GatherOptions): Promise<string[]>;
  /** Tells each change of `connected`. @returns what ends it */
  onStatus(listener: (connected: boolean) => void): () => void;
  stop(): Promise<void>;
}

/** Most answers that one gathering keeps. */
export const MOST_REPLIES = 1_000;
/** Most bytes that the answers of one gathering have together. */
export const MOST_REPLY_BYTES = 16 * 1024 * 1024;
/** Of a message whose listener names no bound. */
export const MOST_MESSAGE_BYTES = 1024 * 1024;
