/**
 * Splits a stream of bytes into MQTT packets, without reading their content.
 *
 * Invariants:
 *  FRAME-1. Every byte goes into exactly one frame, in order; a frame is passed on as soon as its last byte has arrived.
 *  FRAME-2. At most one incomplete frame is kept, and none larger than `maxBytes`: a longer one, or an invalid length
 *           field, is reported as malformed, and nothing is passed on afterwards.
 *  FRAME-3. A frame that arrives in many pieces is joined once, not once for each piece.
 */

export interface FrameReceiver {
  /** @param body where the packet's content begins, after header byte and length */
  frame(bytes: Buffer, start: number, body: number, end: number): void;
  /** Called at most once; no frame follows. */
  malformed(why: string): void;
}

/** Header byte, and a length of at least one byte. */
const LEAST_BYTES = 2;
const LENGTH_BYTES = 4;

export class FrameSplitter {
  readonly #maxBytes: number;
  readonly #receiver: FrameReceiver;
  #parts: Buffer[] = [];
  #size = 0;
  /** Fewer bytes than this hold no complete frame. */
  #wanted = LEAST_BYTES;
  #isBroken = false;

  constructor(maxBytes: number, receiver: FrameReceiver) {
    this.#maxBytes = maxBytes;
    this.#receiver = receiver;
  }

  push(chunk: Buffer): void {
    if (this.#isBroken) return;
    const first = this.#parts.length === 0;
    this.#parts.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#wanted) return; // FRAME-3
    const bytes = first ? chunk : Buffer.concat(this.#parts, this.#size);
    const used = this.#split(bytes);
    this.#parts = used < bytes.length ? [bytes.subarray(used)] : [];
    this.#size = bytes.length - used;
  }

  /** Nothing more is passed on. FRAME-2 */
  close(): void {
    this.#isBroken = true;
    this.#parts = [];
  }

  #split(bytes: Buffer): number {
    let start = 0;
    while (!this.#isBroken) {
      const left = bytes.length - start;
      this.#wanted = LEAST_BYTES;
      if (left < LEAST_BYTES) break;
      const length = this.#lengthAt(bytes, start + 1);
      if (length === null) {
        this.#wanted = left + 1;
        break;
      }
      const body = start + 1 + sizeOfLength(bytes, start + 1);
      const end = body + length;
      if (end - start > this.#maxBytes) this.#refuse(`a packet of ${end - start} bytes`);
      else if (end > bytes.length) {
        this.#wanted = end - start;
        break;
      } else this.#receiver.frame(bytes, start, body, end);
      start = end; // FRAME-1
    }
    return Math.min(start, bytes.length);
  }

  /** The Remaining Length at `at`, or null when it is not complete. */
  #lengthAt(bytes: Buffer, at: number): number | null {
    let value = 0;
    for (let i = 0; i < LENGTH_BYTES; i++) {
      const byte = bytes[at + i];
      if (byte === undefined) return null;
      value += (byte & 127) * 128 ** i;
      if (byte < 128) return value;
    }
    this.#refuse("a length field of more than four bytes");
    return null;
  }

  #refuse(why: string): void {
    this.close();
    this.#receiver.malformed(why);
  }
}

function sizeOfLength(bytes: Buffer, at: number): number {
  let size = 1;
  while ((bytes[at + size - 1] ?? 0) >= 128) size++;
  return size;
}
