/**
 * Cuts a stream of bytes into MQTT packets, without looking into them.
 *
 * Invariants:
 *  1. Every byte goes into exactly one frame, in order; a frame is handed on as soon as its last byte is there.
 *  2. At most one incomplete frame is kept, and none larger than `maxBytes`: a longer one, or a length field that is
 *     none, is said to be malformed, and nothing is handed on afterwards.
 *  3. What arrives in many pieces is put together once, not once for each piece.
 */

/** @param body where the packet's content begins, after header byte and length */
export type OnFrame = (bytes: Buffer, start: number, body: number, end: number) => void;

/** Header byte, and a length of at least one byte. */
const LEAST_BYTES = 2;
const LENGTH_BYTES = 4;

export class FrameSplitter {
  readonly #maxBytes: number;
  readonly #onFrame: OnFrame;
  readonly #onMalformed: (why: string) => void;
  #parts: Buffer[] = [];
  #size = 0;
  /** Fewer bytes than this need no look. */
  #wanted = LEAST_BYTES;
  #isBroken = false;

  constructor(maxBytes: number, onFrame: OnFrame, onMalformed: (why: string) => void) {
    this.#maxBytes = maxBytes;
    this.#onFrame = onFrame;
    this.#onMalformed = onMalformed;
  }

  push(chunk: Buffer): void {
    if (this.#isBroken) return;
    const first = this.#parts.length === 0;
    this.#parts.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#wanted) return;
    const bytes = first ? chunk : Buffer.concat(this.#parts, this.#size);
    const used = this.#split(bytes);
    this.#parts = used < bytes.length ? [bytes.subarray(used)] : [];
    this.#size = bytes.length - used;
  }

  /** Nothing more is handed on. */
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
      } else this.#onFrame(bytes, start, body, end);
      start = end;
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
    this.#onMalformed(why);
  }
}

function sizeOfLength(bytes: Buffer, at: number): number {
  let size = 1;
  while ((bytes[at + size - 1] ?? 0) >= 128) size++;
  return size;
}
