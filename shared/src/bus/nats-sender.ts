/** What is sent on one connection to NATS, with a bound on what has not left yet. */
import type { NatsConnection } from "./nats-connection.ts";

const MOST_UNFLUSHED = 4 * 1024 * 1024;

export class NatsSender {
  readonly #connection: NatsConnection;
  #unflushed = 0;
  #flushing = false;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** @returns false when the text was dropped. NATS-4 */
  send(subject: string, text: string, reply: string | undefined): boolean {
    if (this.#unflushed > MOST_UNFLUSHED) return false;
    try {
      this.#connection.publish(subject, text, reply === undefined ? {} : { reply });
    } catch {
      return false;
    }
    this.#unflushed += text.length;
    if (!this.#flushing) void this.#flush();
    return true;
  }

  /** A round trip to the server shows what has left: TCP keeps the order. */
  async #flush(): Promise<void> {
    this.#flushing = true;
    const covered = this.#unflushed;
    const flushed = await this.#connection.flush().then(
      () => true,
      () => false,
    );
    this.#flushing = false;
    if (!flushed) return;
    this.#unflushed = Math.max(0, this.#unflushed - covered);
    if (this.#unflushed > 0) void this.#flush();
  }
}
