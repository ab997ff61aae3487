/**
 * The control plane as the services see it: short texts on subjects, at most once. `nats-bus.ts` connects processes,
 * `local-bus.ts` the services of one process. A message may be lost, so only information that PostgreSQL has too, or that
 * can be requested again, is sent on it.
 *
 * Invariants:
 *  BUS-2. Nothing here throws or rejects because of the network.
 *  BUS-3. Messages that wait to be sent are bounded; beyond the bound they are dropped and counted, and no caller waits.
 *  BUS-4. After `stop` no listener is called and nothing is sent.
 *  BUS-5. A listener that throws, or whose promise is rejected, is counted, and ends neither another listener nor the
 *         process. So a listener returns its promise to the bus.
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
  /** Unique to the sealed message; null on a bus without seals. */
  readonly nonce: string | null;
  /** Answers a request; no effect for a message that is not a request. Needs no `this`. */
  respond(text: string): void;
}

/** The bus catches a promise that it returns. */
export type BusListener = (message: BusMessage) => unknown;

export type StatusListener = (connected: boolean) => void;

/** False: this reply does not count, and does not end the request. */
export type ReplyJudge = (text: string) => boolean;

/**
 * `no_responder`: no listener. `deadline`: no answer in time. `away`: no connection. `refused`: too large. `unproven`: no
 * sealed answer in time, only this one, which any client may have sent.
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
  /** Of the subscribers with one queue name, one gets each message. */
  readonly queue?: string;
  /** Bytes. Default 1 MiB. */
  readonly mostBytes?: number;
  /** On a sealed bus: no text is passed on twice. */
  readonly once?: boolean;
  /** On a sealed bus: messages without a seal are passed on, too. */
  readonly unsealed?: boolean;
  /** On a sealed bus: answers a refused message, which has no text here. Without it the message is only counted. */
  refused?(message: BusMessage, why: SealRefusal): unknown;
}

export interface BusCounts {
  /** Not sent: no connection, or too many messages waited. */
  dropped: number;
  /** Listeners that failed. */
  listenerErrors: number;
  /** Received and not passed on: too large, or without a valid seal. */
  refused: number;
}

export interface Bus {
  readonly kind: "local" | "nats";
  readonly connected: boolean;
  readonly counts: Readonly<BusCounts>;
  /** Sends to every listener. @returns false when the message was dropped */
  publish(subject: string, text: string): boolean;
  /** `*` stands for one word of the subject, `>` for the rest. @returns what ends the subscription; a second call has no effect */
  subscribe(subject: string, listener: BusListener, options?: SubscribeOptions): () => void;
  /** Asks one listener. */
  request(subject: string, text: string, deadlineMs: number, accept?: ReplyJudge): Promise<BusReply>;
  /** Asks every listener. @returns the answers that arrived in time, in their order; `MOST_REPLY_BYTES` together */
  requestMany(subject: string, text: string, options: GatherOptions): Promise<string[]>;
  /** Reports each change of `connected`. @returns what removes the listener */
  onStatus(listener: StatusListener): () => void;
  stop(): Promise<void>;
}

/** Most answers of one request. */
export const MOST_REPLIES = 1_000;
/** Most bytes of the answers of one request together. */
export const MOST_REPLY_BYTES = 16 * 1024 * 1024;
/** For a listener without `mostBytes`. */
export const MOST_MESSAGE_BYTES = 1024 * 1024;
