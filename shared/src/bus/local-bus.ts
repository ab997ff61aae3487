/**
 * The bus of one process, where `NATS_URL` is not set. It connects the services that share it: both of them under
 * `npm start`.
 */

import { subjectMatches } from "../protocol/subjects.ts";
import {
  type Bus,
  type BusCounts,
  type BusListener,
  type BusReply,
  type GatherOptions,
  MOST_REPLIES,
  MOST_REPLY_BYTES,
  type ReplyJudge,
  type SubscribeOptions,
} from "./bus.ts";

interface Subscriber {
  readonly pattern: string;
  readonly queue: string | null;
  readonly listener: BusListener;
}

type Respond = (text: string) => void;

/** Messages that wait for their turn of the event loop. */
const MOST_WAITING = 10_000;

export class LocalBus implements Bus {
  readonly kind = "local";
  readonly connected = true;
  readonly counts: BusCounts = { dropped: 0, listenerErrors: 0, refused: 0 };
  readonly #subscribers = new Set<Subscriber>();
  #waiting = 0;
  #turn = 0;
  #stopped = false;

  publish(subject: string, text: string): boolean {
    return this.#send(subject, text, null);
  }

  subscribe(subject: string, listener: BusListener, options: SubscribeOptions = {}): () => void {
    const subscriber: Subscriber = { pattern: subject, queue: options.queue ?? null, listener };
    if (!this.#stopped) this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }

  async request(subject: string, text: string, deadlineMs: number, accept?: ReplyJudge): Promise<BusReply> {
    if (this.#stopped) return { ok: false, kind: "away" };
    if (this.#receivers(subject).length === 0) return { ok: false, kind: "no_responder" };
    const [reply] = await this.requestMany(subject, text, { forMs: deadlineMs, most: 1, ...(accept && { accept }) });
    return reply === undefined ? { ok: false, kind: "deadline" } : { ok: true, text: reply };
  }

  requestMany(subject: string, text: string, { forMs, most, accept }: GatherOptions): Promise<string[]> {
    const replies: string[] = [];
    let bytes = 0;
    const asked = this.#receivers(subject).length;
    // The listeners are known here: the request does not wait for others.
    const enough = Math.min(most, asked, MOST_REPLIES);
    if (enough <= 0) return Promise.resolve(replies);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(replies.splice(0)), forMs);
      const sent = this.#send(subject, text, (reply) => {
        bytes += reply.length;
        if (bytes > MOST_REPLY_BYTES || accept?.(reply) === false || replies.push(reply) < enough) return;
        clearTimeout(timer);
        resolve(replies.splice(0));
      });
      if (sent) return;
      clearTimeout(timer);
      resolve([]);
    });
  }

  onStatus(): () => void {
    return () => undefined;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#subscribers.clear();
  }

  /** In another turn, as over a network: no caller is called back inside its own call. */
  #send(subject: string, text: string, respond: Respond | null): boolean {
    // BUS-3, BUS-4
    if (this.#stopped || this.#waiting >= MOST_WAITING) {
      this.counts.dropped++;
      return false;
    }
    this.#waiting++;
    setImmediate(() => {
      this.#waiting--;
      for (const { listener } of this.#receivers(subject)) this.#deliver(listener, subject, text, respond);
    });
    return true;
  }

  #deliver(listener: BusListener, subject: string, text: string, respond: Respond | null): void {
    let answered = false;
    const respondOnce = (reply: string): void => {
      if (!answered) respond?.(reply);
      answered = true;
    };
    const failed = (): void => void this.counts.listenerErrors++; // BUS-5
    try {
      const heard = listener({ subject, text, nonce: null, respond: respondOnce });
      if (heard instanceof Promise) heard.catch(failed);
    } catch {
      failed();
    }
  }

  /** Every subscriber without a queue, and one of each queue in turn. */
  #receivers(subject: string): Subscriber[] {
    const matching = [...this.#subscribers].filter(({ pattern }) => subjectMatches(pattern, subject));
    const alone = matching.filter(({ queue }) => queue === null);
    const queues = new Set(matching.flatMap(({ queue }) => (queue === null ? [] : [queue])));
    this.#turn++;
    for (const name of queues) {
      const members = matching.filter(({ queue }) => queue === name);
      const member = members[this.#turn % members.length];
      if (member !== undefined) alone.push(member);
    }
    return alone;
  }
}
