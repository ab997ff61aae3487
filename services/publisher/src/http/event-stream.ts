/**
 * Server-sent events to the viewers of this process.
 *
 * Events of one turn of the event loop are one write, serialized once for all viewers.
 *
 * Invariants:
 *  STREAM_VIEWERS-1. At most `MOST_VIEWERS` at a time.
 *  STREAM_VIEWERS-2. A viewer that does not read is dropped and counted as soon as more than `MOST_UNREAD` bytes wait for it, in
 *             addition to the snapshot that it received first; no other viewer waits for it.
 *  STREAM_VIEWERS-3. `stop` ends all streams immediately.
 */
import type { ServerResponse } from "node:http";

export const MOST_VIEWERS = 64;
const MOST_UNREAD = 1024 * 1024;
const HEARTBEAT_EVERY_MS = 10_000;
const LAST_BYTES_MS = 100;

export interface Viewer {
  readonly response: ServerResponse;
  /** Events that wait until the snapshot was sent; null afterwards. Written by `EventStream`. */
  early: string[] | null;
  earlyLength: number;
  /** Bytes that may wait in addition to `MOST_UNREAD`: the snapshot, until it has been read. Written by `EventStream`. */
  allowance: number;
}

export class EventStream {
  /** Viewers that did not read. */
  dropped = 0;
  readonly #viewers = new Set<Viewer>();
  #turn: string[] = [];
  #heartbeat: NodeJS.Timeout | null = null;
  #stopped = false;

  get size(): number {
    return this.#viewers.size;
  }

  get hasRoom(): boolean {
    return !this.#stopped && this.#viewers.size < MOST_VIEWERS; // STREAM_VIEWERS-1
  }

  /**
   * Takes a response over. Events from now on wait until `begin` is called with the snapshot.
   * @param onEnd called once, when this viewer is closed
   */
  add(response: ServerResponse, onEnd: () => void): Viewer {
    const viewer: Viewer = { response, early: [], earlyLength: 0, allowance: 0 };
    this.#viewers.add(viewer);
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      // For proxies that buffer small answers.
      "x-accel-buffering": "no",
      connection: "close",
    });
    response.flushHeaders();
    response.once("close", () => {
      this.#viewers.delete(viewer);
      this.#checkHeartbeat();
      onEnd();
    });
    response.on("error", () => response.destroy());
    this.#checkHeartbeat();
    return viewer;
  }

  /** Sends the snapshot, then the events since `add`. */
  begin(viewer: Viewer, first: string): void {
    const early = viewer.early ?? [];
    viewer.early = null;
    const text = [first, ...early].join("");
    viewer.allowance = Buffer.byteLength(text);
    this.#write(viewer, text);
  }

  /** Sends an event to all viewers, together with the others of this turn. @param text see `eventText` */
  tell(text: string): void {
    if (this.#viewers.size === 0) return;
    if (this.#turn.length === 0) setImmediate(() => this.#flush());
    this.#turn.push(text);
  }

  /** May be called early; a second call has no effect. */
  stop(): void {
    this.#stopped = true;
    for (const { response } of this.#viewers) {
      response.end();
      // STREAM_VIEWERS-3: a viewer that does not read would keep the socket, and the stop, until its connection times out.
      const timer = setTimeout(() => response.destroy(), LAST_BYTES_MS);
      response.once("close", () => clearTimeout(timer));
    }
    this.#checkHeartbeat();
  }

  #flush(): void {
    const text = this.#turn.join("");
    this.#turn = [];
    for (const viewer of this.#viewers) this.#write(viewer, text);
  }

  #write(viewer: Viewer, text: string): void {
    const { response, early } = viewer;
    if (response.destroyed || response.writableEnded) return;
    if (early !== null) {
      // The viewer sees a gap for events that do not fit.
      viewer.earlyLength += text.length;
      if (viewer.earlyLength <= MOST_UNREAD) early.push(text);
      return;
    }
    // STREAM_VIEWERS-2
    if (response.writableLength > MOST_UNREAD + viewer.allowance) {
      this.dropped++;
      response.destroy();
      return;
    }
    if (response.write(text)) viewer.allowance = 0;
  }

  #checkHeartbeat(): void {
    const wanted = !this.#stopped && this.#viewers.size > 0;
    if (wanted) this.#heartbeat ??= setInterval(() => this.tell(":\n\n"), HEARTBEAT_EVERY_MS);
    else if (this.#heartbeat !== null) {
      clearInterval(this.#heartbeat);
      this.#heartbeat = null;
    }
  }
}

/** One event as it goes over the wire; JSON has no raw line ends. */
export function eventText(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
