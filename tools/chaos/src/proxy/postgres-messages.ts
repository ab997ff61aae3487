/**
 * Splits a connection to PostgreSQL into the messages of its protocol (PostgreSQL 18, part VII, chapter 54.7), and passes
 * them on one by one.
 *
 * Invariants:
 *  POSTGRES_MESSAGES-1. Each message is passed on once, complete and in order. Only an incomplete message is held.
 *  POSTGRES_MESSAGES-2. After client and server have agreed on encryption, chunks are passed on as they arrive.
 */
import type { Direction, Flow, Inspector } from "./tcp-proxy.ts";

/** Codes in place of a protocol version: the client asks for encryption. The answer is one byte (54.2.11, 54.2.12). */
const ASKS_FOR_ENCRYPTION = [80_877_103, 80_877_104];
const REFUSED = 0x4e;
const EMPTY: Buffer = Buffer.alloc(0);

export function splitIntoMessages(flow: Flow): Inspector {
  return new PostgresConnection(flow);
}

class PostgresConnection implements Inspector {
  readonly #flow: Flow;
  readonly #rest: Record<Direction, Buffer> = { to_server: EMPTY, to_client: EMPTY };
  /** The first message of a client has no type. */
  #starting = true;
  #awaitsOneByte = false;
  #encrypted = false;

  constructor(flow: Flow) {
    this.#flow = flow;
  }

  onData(direction: Direction, chunk: Buffer): void {
    const rest = this.#rest[direction];
    // POSTGRES_MESSAGES-1
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let size = this.#sizeOf(direction, bytes); size <= bytes.length && bytes.length > 0; ) {
      this.#pass(direction, bytes.subarray(0, size));
      bytes = bytes.subarray(size);
      size = this.#sizeOf(direction, bytes);
    }
    this.#rest[direction] = bytes;
  }

  onEnd(): void {
    this.#rest.to_server = EMPTY;
    this.#rest.to_client = EMPTY;
  }

  /** The length of the first message; Infinity when its length field is incomplete. */
  #sizeOf(direction: Direction, bytes: Buffer): number {
    if (this.#encrypted) return bytes.length; // POSTGRES_MESSAGES-2
    if (direction === "to_client" && this.#awaitsOneByte) return 1;
    const typeBytes = direction === "to_server" && this.#starting ? 0 : 1;
    return bytes.length < typeBytes + 4 ? Number.POSITIVE_INFINITY : typeBytes + bytes.readInt32BE(typeBytes);
  }

  #pass(direction: Direction, message: Buffer): void {
    if (direction === "to_client" && this.#awaitsOneByte) {
      this.#awaitsOneByte = false;
      this.#encrypted = message[0] !== REFUSED;
    } else if (direction === "to_server" && this.#starting) {
      this.#awaitsOneByte = message.length >= 8 && ASKS_FOR_ENCRYPTION.includes(message.readInt32BE(4));
      this.#starting = this.#awaitsOneByte;
    }
    this.#flow.send(direction, message);
  }
}
