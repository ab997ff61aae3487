/**
 * Gathers the packets of one event-loop turn and hands them to the socket as one piece.
 *
 * Invariants:
 *  1. Bytes that were handed over are never written to again: the socket may still hold them.
 *  2. What is gathered leaves with `flush`: after `wake` at the end of this turn, after `linger` within a millisecond or
 *     two. A write costs 7 µs, more than all else about a PUBACK, and nobody waits for one.
 */

import { type PublishSize, writePublish } from "./encode-publish.ts";
import type { OutgoingPublish } from "./messages.ts";

const SLAB_BYTES = 64 * 1_024;

export class PacketWriter {
  readonly #write: (bytes: Buffer) => void;
  readonly #wake: () => void;
  readonly #linger: () => void;
  #slab = Buffer.alloc(0);
  #start = 0;
  #end = 0;

  /**
   * @param write takes a piece of bytes
   * @param wake `flush` is owed before the turn ends
   * @param linger `flush` is owed soon
   */
  constructor(write: (bytes: Buffer) => void, wake: () => void, linger: () => void) {
    this.#write = write;
    this.#wake = wake;
    this.#linger = linger;
  }

  /** Bytes gathered and not handed over. */
  get size(): number {
    return this.#end - this.#start;
  }

  publish(message: OutgoingPublish, protocolVersion: 4 | 5, packetId: number, size: PublishSize): void {
    const at = this.#reserve(size.total);
    writePublish(this.#slab, at, message, protocolVersion, packetId, size);
    this.#wake();
  }

  /** PUBACK with reason 0, in the form both versions share. */
  puback(packetId: number): void {
    this.#answer(0x40, packetId);
    this.#linger();
  }

  /** PUBREL with reason 0. */
  pubrel(packetId: number): void {
    this.#answer(0x62, packetId);
    this.#wake();
  }

  flush(): void {
    if (this.#end === this.#start) return;
    const piece = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    this.#write(piece);
  }

  #answer(header: number, packetId: number): void {
    const at = this.#reserve(4);
    this.#slab[at] = header;
    this.#slab[at + 1] = 2;
    this.#slab[at + 2] = packetId >> 8;
    this.#slab[at + 3] = packetId & 0xff;
  }

  #reserve(bytes: number): number {
    if (this.#end + bytes > this.#slab.length) {
      this.flush();
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
      this.#start = 0;
      this.#end = 0;
    }
    const at = this.#end;
    this.#end += bytes;
    return at;
  }
}
