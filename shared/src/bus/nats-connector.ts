/**
 * Holds one connection to NATS after another, regardless of what ended the last one.
 *
 * The client's own reconnecting is off: it keeps what is published meanwhile without a bound, and stops permanently when a
 * login is refused twice (docs/adr/0010-the-viewer-protocol.md).
 *
 * Invariants:
 *  NATS-1. The connector never gives up: between two attempts it waits a doubling, half random time, at most `CAP_MS`; the
 *          doubling starts again only after a connection that held.
 *  NATS-2. A connection without an answer to two pings (10 s) is dead.
 *  NATS-5. Credentials are in no log line.
 */
import { Lifecycle } from "../runtime/lifecycle.ts";
import { pause, unlessAborted } from "../runtime/pause.ts";
import { type NatsBusOptions, type NatsConnection, type NatsTarget, openNats, readNatsUrl } from "./nats-connection.ts";

export interface ConnectionListener {
  opened(connection: NatsConnection): void;
  closed(): void;
}

const BASE_MS = 100;
const CAP_MS = 5_000;
const HELD_MS = 5_000;

/** Pause before the n-th attempt in a row (n from 0). Milliseconds. */
export function reconnectDelay(failures: number, random: number): number {
  return Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures, 10)) * (0.5 + random / 2);
}

export class NatsConnector {
  readonly #options: NatsBusOptions;
  readonly #listener: ConnectionListener;
  #target: NatsTarget;
  readonly #life = new Lifecycle();
  /** Why the last attempt failed, as it was logged. */
  #lastWhy: string | null = null;

  /** Throws on an invalid URL. */
  constructor(options: NatsBusOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#target = readNatsUrl(options.url, options.ca ?? null);
  }

  get isStopped(): boolean {
    return this.#life.signal.aborted;
  }

  /** Starts connecting. */
  start(): void {
    if (this.#life.begin()) this.#life.track(this.#run());
  }

  /** Closes the connection; none is opened afterwards. */
  stop(): Promise<void> {
    return this.#life.stop();
  }

  /** NATS-1 */
  async #run(): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#life;
    for (let failures = 0; !signal.aborted; ) {
      const openedAt = clock.now();
      const held = await this.#holdOne();
      failures = held && clock.now() - openedAt >= HELD_MS ? 0 : failures + 1;
      await pause(reconnectDelay(failures, random.next()), signal);
    }
  }

  /** One connection, from its opening to its end. @returns whether there was one */
  async #holdOne(): Promise<boolean> {
    const { logger, name } = this.#options;
    const { servers } = this.#target;
    const { signal } = this.#life;
    const opening = this.#open();
    const connection = await unlessAborted(opening, signal);
    if (connection === null) {
      // Stopped meanwhile: a connection that opens late is closed immediately.
      if (signal.aborted) void opening.then((late) => late?.close()).catch(() => "it is closed already");
      return false;
    }
    const closed = connection.closed();
    this.#lastWhy = null;
    logger.info({ server: servers, client: name }, "NATS connected");
    this.#listener.opened(connection);
    await this.#offerService(connection);
    const error = await unlessAborted(closed, signal);
    if (!signal.aborted) {
      const why = error instanceof Error ? error.message : "closed by the server";
      logger.warn({ server: servers, why }, "NATS is disconnected; the service continues without its control plane");
    }
    this.#listener.closed();
    if (signal.aborted) await connection.close();
    return true;
  }

  async #open(): Promise<NatsConnection | null> {
    const { fresh, ca = null } = this.#options;
    const now = fresh?.read("NATS_URL");
    if (now?.ok && now.value !== null) this.#target = readNatsUrl(now.value, ca);
    try {
      return await openNats(this.#target, this.#options);
    } catch (error) {
      const why = (error as Error).message;
      // Logged once, and again when the reason changes. NATS-5: the server's address only.
      if (why !== this.#lastWhy) {
        this.#options.logger.warn({ server: this.#target.servers, why }, "NATS unreachable, retrying");
      }
      this.#lastWhy = why;
      return null;
    }
  }

  /** `$SRV.PING`, `INFO` and `STATS` for this connection; without them everything else works. */
  async #offerService(connection: NatsConnection): Promise<void> {
    const { service, logger } = this.#options;
    try {
      await connection.services.add({ ...service, description: "acktor: an outbox that proves delivery over MQTT" });
    } catch (error) {
      if (!connection.isClosed()) logger.warn({ why: (error as Error).message }, "NATS does not list this service");
    }
  }
}
