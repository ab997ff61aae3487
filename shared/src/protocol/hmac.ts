/**
 * HMAC-SHA256 (RFC 2104) under one key, many times.
 *
 * Invariants:
 *  HMAC-1. The result equals that of `crypto.createHmac`, for every key and text.
 *  HMAC-2. `matches` reads all 64 digits, wherever the first wrong one is: its time tells nothing about the HMAC.
 *
 * `createHmac` makes an object for each text: 2.6 to 3.5 µs for 220 bytes on Node 20. The two hashes that an HMAC consists
 * of, each by the one-call `crypto.hash`, take 1.2 µs. That needs a padded key of ASCII bytes, because `crypto.hash` takes
 * texts as UTF-8; a secret of other characters, or longer than a block, takes the slow path.
 */
import { createHmac, createSecretKey, hash } from "node:crypto";

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const HEX_DIGITS = 2 * DIGEST_BYTES;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;

export class HmacKey {
  readonly #slowKey: ReturnType<typeof createSecretKey>;
  /** The key XOR the inner pad, as text; null where it is not ASCII. */
  readonly #inner: string | null;
  /** The key XOR the outer pad, and room for the inner digest. Written by `hex` alone. */
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);

  /** @param secret as UTF-8 */
  constructor(secret: string) {
    const bytes = Buffer.from(secret, "utf8");
    this.#slowKey = createSecretKey(bytes);
    const fast = bytes.length <= BLOCK_BYTES && bytes.every((byte) => byte < 0x80);
    this.#inner = fast ? xored(bytes, INNER_PAD).toString("latin1") : null;
    if (fast) xored(bytes, OUTER_PAD).copy(this.#outer);
  }

  /** The HMAC of a text (UTF-8), as 64 hex digits. HMAC-1 */
  hex(text: string): string {
    if (this.#inner === null) return createHmac("sha256", this.#slowKey).update(text, "utf8").digest("hex");
    this.#outer.write(hash("sha256", this.#inner + text, "binary"), BLOCK_BYTES, "latin1");
    return hash("sha256", this.#outer, "hex");
  }

  /**
   * Whether `given` is the HMAC of a text, in lower-case hex. HMAC-2
   *
   * The loop takes 1.5 µs with the HMAC. `timingSafeEqual` takes 2.5 µs, because it needs both texts in buffers.
   */
  matches(text: string, given: string): boolean {
    if (given.length !== HEX_DIGITS) return false;
    const wanted = this.hex(text);
    let difference = 0;
    for (let at = 0; at < HEX_DIGITS; at++) difference |= wanted.charCodeAt(at) ^ given.charCodeAt(at);
    return difference === 0;
  }
}

function xored(key: Buffer, pad: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES, pad);
  for (const [at, byte] of key.entries()) block[at] = byte ^ pad;
  return block;
}
