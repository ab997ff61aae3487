/** The replies to one request: collected in an inbox of their own, until there are enough or the time is over. */
import type { ListenerGuard } from "../runtime/guarded-listener.ts";
import { type GatherOptions, MOST_REPLIES, MOST_REPLY_BYTES } from "./bus.ts";
import { type Msg, type NatsConnection, ownBytes, type Subscription } from "./nats-connection.ts";
import type { Task, TurnQueue } from "./turn-queue.ts";

export interface Gathered {
  readonly replies: string[];
  /** Why there are no more replies. */
  readonly ended: "deadline" | "no_responder" | "away";
}

export interface GatheringParts extends GatherOptions {
  readonly connection: NatsConnection;
  readonly inbox: string;
  readonly guard: ListenerGuard;
  readonly queue: TurnQueue;
}

/** Null where the connection has just closed. */
export function openGathering(parts: GatheringParts): Gathering | null {
  try {
    return new Gathering(parts);
  } catch {
    return null;
  }
}

export class Gathering {
  readonly done: Promise<Gathered>;
  readonly #parts: GatheringParts;
  readonly #enough: number;
  readonly #timer: NodeJS.Timeout;
  readonly #subscription: Subscription;
  readonly #replies: string[] = [];
  #bytes = 0;
  #resolve: ((gathered: Gathered) => void) | null = null;

  constructor(parts: GatheringParts) {
    const { connection, inbox, guard, forMs, most } = parts;
    this.#parts = parts;
    this.#enough = Math.min(most, MOST_REPLIES);
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    const callback = guard.wrap("bus reply", (error: Error | null, message: Msg): void => this.#heard(error, message));
    this.#subscription = connection.subscribe(inbox, { callback });
    this.#timer = setTimeout(() => this.end("deadline"), forMs);
  }

  /** A second call has no effect. */
  end(why: Gathered["ended"]): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    clearTimeout(this.#timer);
    this.#subscription.unsubscribe();
    resolve({ replies: this.#replies, ended: why });
  }

  /** A reply that has waited for its turn. */
  take(reply: string): void {
    if (this.#resolve === null || this.#parts.accept?.(reply) === false) return;
    if (this.#replies.push(reply) >= this.#enough) this.end("deadline");
  }

  #heard(error: Error | null, message: Msg): void {
    const { byteLength } = message.data;
    if (error !== null) this.end("away");
    // The server reports a missing listener immediately.
    else if (message.headers?.code === 503 && byteLength === 0) this.end("no_responder");
    else {
      this.#bytes += byteLength;
      if (this.#bytes <= MOST_REPLY_BYTES) this.#parts.queue.push(new Reply(this, this.#parts.guard, message));
    }
  }
}

class Reply implements Task {
  readonly bytes: number;
  readonly #gathering: Gathering;
  readonly #guard: ListenerGuard;
  readonly #data: Buffer;

  constructor(gathering: Gathering, guard: ListenerGuard, message: Msg) {
    this.#gathering = gathering;
    this.#guard = guard;
    this.bytes = message.data.byteLength;
    this.#data = ownBytes(message);
  }

  run(): void {
    try {
      this.#gathering.take(this.#data.toString("utf8"));
    } catch (error) {
      this.#guard.failed("bus reply", error);
    }
  }
}
