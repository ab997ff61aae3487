/**
 * One direction of a proxied connection: it forwards the bytes that it gets, possibly later.
 *
 * Invariants:
 *  LANE-1. Order is kept and nothing is lost: a late chunk delays the chunks behind it, as on a TCP connection.
 *  LANE-2. The queue is bounded: above `HIGH_BYTES` the lane stops reading from the sender.
 *  LANE-3. A held lane forwards nothing until it is released. A severed lane never forwards again.
 */
import type net from "node:net";
import type { Random } from "../seeded-random.ts";

/** How a line changes its traffic. All zero: not at all. */
export interface LineQuality {
  readonly delayMs: number;
  /** Added to the delay, evenly between 0 and this. */
  readonly jitterMs: number;
  /** 0: no limit. */
  readonly bytesPerSecond: number;
  /** Share of chunks that a real line would lose and TCP would send again, so that they arrive one timeout later. */
  readonly lossRatio: number;
}

export interface LineCounts {
  delayedChunks: number;
  throttledChunks: number;
  lostChunks: number;
  heldChunks: number;
}

export const CLEAR_LINE: LineQuality = { delayMs: 0, jitterMs: 0, bytesPerSecond: 0, lossRatio: 0 };

const HIGH_BYTES = 1_048_576;
const LOW_BYTES = 524_288;
/** The shortest retransmission timeout of Linux; doubled for each loss in a row. */
const RETRANSMIT_MS = 200;
const MOST_LOSSES = 6;

interface Waiting {
  readonly bytes: Buffer;
  /** Monotonic milliseconds. */
  readonly at: number;
}

interface LaneOptions {
  readonly from: net.Socket;
  readonly to: net.Socket;
  readonly quality: () => LineQuality;
  readonly counts: LineCounts;
  readonly random: Random;
}

export class Lane {
  readonly #options: LaneOptions;
  readonly #queue: Waiting[] = [];
  #queuedBytes = 0;
  #lastAt = 0;
  #lineFreeAt = 0;
  #timer: NodeJS.Timeout | null = null;
  #held = false;
  #severed = false;
  #ended = false;

  constructor(options: LaneOptions) {
    this.#options = options;
    options.to.on("drain", () => this.#readAgain());
  }

  push(bytes: Buffer): void {
    if (this.#severed) {
      this.#options.counts.heldChunks++;
      return;
    }
    if (this.#held) this.#options.counts.heldChunks++;
    this.#queue.push({ bytes, at: this.#dueTime(bytes.length) });
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes > HIGH_BYTES) this.#options.from.pause(); // LANE-2
    this.#flush();
  }

  /** With true the lane forwards nothing until it is called with false. */
  hold(held: boolean): void {
    this.#held = held;
    if (!held) this.#flush();
  }

  sever(): void {
    this.#severed = true;
    this.#clear();
  }

  /** The sender has ended: the lane ends the receiver after the queued bytes. */
  end(): void {
    this.#ended = true;
    this.#flush();
  }

  /** The connection is closed. A second call has no effect. */
  stop(): void {
    this.#clear();
    this.#ended = false;
  }

  #clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
  }

  #dueTime(size: number): number {
    const { quality, counts, random } = this.#options;
    const { delayMs, jitterMs, bytesPerSecond, lossRatio } = quality();
    const now = performance.now();
    let at = now;
    if (delayMs > 0 || jitterMs > 0) {
      at += delayMs + jitterMs * random();
      counts.delayedChunks++;
    }
    for (let losses = 0; lossRatio > 0 && losses < MOST_LOSSES && random() < lossRatio; losses++) {
      at += RETRANSMIT_MS * 2 ** losses;
      counts.lostChunks++;
    }
    if (bytesPerSecond > 0) {
      this.#lineFreeAt = Math.max(now, this.#lineFreeAt) + (1_000 * size) / bytesPerSecond;
      at += this.#lineFreeAt - now;
      counts.throttledChunks++;
    }
    this.#lastAt = Math.max(this.#lastAt, at); // LANE-1
    return this.#lastAt;
  }

  #flush(): void {
    // LANE-3
    if (this.#held || this.#severed || this.#timer !== null) return;
    const now = performance.now();
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (next.at > now) {
        this.#timer = setTimeout(() => this.#onTimer(), next.at - now);
        return;
      }
      this.#queue.shift();
      this.#queuedBytes -= next.bytes.length;
      this.#options.to.write(next.bytes);
    }
    if (this.#ended) this.#options.to.end();
    this.#readAgain();
  }

  #onTimer(): void {
    this.#timer = null;
    this.#flush();
  }

  #readAgain(): void {
    const { from, to } = this.#options;
    if (this.#severed) return;
    if (to.writableLength > HIGH_BYTES) from.pause();
    else if (from.isPaused() && this.#queuedBytes < LOW_BYTES) from.resume();
  }
}
