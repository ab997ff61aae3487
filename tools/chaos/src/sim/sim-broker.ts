/**
 * A broker and its network, with delays and outages. As real brokers do, it answers PUBACK before it delivers the message,
 * drops messages for a full queue, and forgets every session when it dies.
 */
import { filterMatches } from "@acktor/shared/protocol/topics";
import type { Random } from "../seeded-random.ts";
import type { SimProcess, VirtualTime } from "./virtual-time.ts";

export interface SimClient {
  readonly owner: SimProcess;
  filters(): readonly string[];
  connected(): void;
  ended(): void;
  received(topic: string, payload: Buffer): void;
}

export interface SimSession {
  /** @param acked called when the PUBACK arrives */
  publish(topic: string, payload: Buffer, acked: (reasonCode: number) => void): void;
  close(): void;
}

/** Shares of the packets that the network loses, doubles and reorders. */
export interface NetworkFaults {
  readonly lose: number;
  readonly double: number;
  readonly reorder: number;
}

interface Session {
  readonly client: SimClient;
  up: boolean;
  open: boolean;
  /** When the last packet of each direction arrives: later packets do not arrive earlier. */
  toBrokerAt: number;
  toClientAt: number;
  queued: number;
}

const LATENCY_MS = [0.2, 3] as const;
const REORDER_MS = 40;
/** Short, so that the queue overflows. */
const QUEUE = 24;
const NO_SUBSCRIBER = 0x10;

export class SimBroker {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #sessions = new Set<Session>();
  #faults: NetworkFaults = { lose: 0, double: 0, reorder: 0 };
  #up = true;
  #silent = false;

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  setFaults(faults: NetworkFaults): void {
    this.#faults = faults;
  }

  /** The broker dies and loses every session and queue. */
  die(): void {
    this.#up = false;
    for (const session of this.#sessions) this.#end(session);
  }

  live(): void {
    this.#up = true;
  }

  /** Half-open: no packet passes and no connection ends. */
  setSilent(silent: boolean): void {
    this.#silent = silent;
  }

  /** Resets the connection of each client. */
  reset(): void {
    for (const session of this.#sessions) this.#end(session);
  }

  connect(client: SimClient): SimSession {
    const session: Session = { client, up: true, open: false, toBrokerAt: 0, toClientAt: 0, queued: 0 };
    this.#sessions.add(session);
    this.#time.later(this.#latency() * 3, () => {
      if (!session.up || this.#silent) return;
      if (!this.#up) {
        this.#end(session);
        return;
      }
      session.open = true;
      this.#send(session, () => client.connected());
    });
    return {
      publish: (topic, payload, acked) => this.#publish(session, topic, payload, acked),
      close: () => this.#forget(session),
    };
  }

  /** The process of these clients was killed. */
  dropClientsOf(owner: SimProcess): void {
    for (const session of this.#sessions) if (session.client.owner === owner) this.#forget(session);
  }

  #forget(session: Session): void {
    session.up = false;
    this.#sessions.delete(session);
  }

  #end(session: Session): void {
    const { client, up } = session;
    this.#forget(session);
    if (up) this.#time.laterAs(client.owner, this.#latency(), () => client.ended());
  }

  #publish(session: Session, topic: string, payload: Buffer, acked: (reasonCode: number) => void): void {
    session.toBrokerAt = Math.max(session.toBrokerAt, this.#time.now + this.#latency());
    this.#time.later(session.toBrokerAt - this.#time.now, () => {
      if (!session.up || !this.#up || this.#silent) return;
      const receivers = this.#receiversOf(topic);
      this.#send(session, () => acked(receivers.length === 0 ? NO_SUBSCRIBER : 0));
      for (const receiver of receivers) this.#deliver(receiver, topic, payload);
    });
  }

  #receiversOf(topic: string): Session[] {
    return [...this.#sessions].filter(
      ({ open, client }) => open && client.filters().some((filter) => filterMatches(filter, topic)),
    );
  }

  #deliver(receiver: Session, topic: string, payload: Buffer): void {
    const { lose, double, reorder } = this.#faults;
    if (receiver.queued >= QUEUE || this.#random() < lose) return;
    const copies = this.#random() < double ? 2 : 1;
    for (let n = 0; n < copies; n++) {
      receiver.queued++;
      const overtaken = this.#random() < reorder ? REORDER_MS * this.#random() : null;
      const arrive = (): void => {
        receiver.queued--;
        receiver.client.received(topic, payload);
      };
      if (overtaken === null) this.#send(receiver, arrive);
      else this.#time.laterAs(receiver.client.owner, overtaken, () => receiver.up && !this.#silent && arrive());
    }
  }

  /** Delivers something to a client, in order, unless its connection has ended meanwhile. */
  #send(session: Session, arrive: () => void): void {
    session.toClientAt = Math.max(session.toClientAt, this.#time.now + this.#latency());
    this.#time.laterAs(session.client.owner, session.toClientAt - this.#time.now, () => {
      if (session.up && !this.#silent) arrive();
    });
  }

  #latency(): number {
    const [least, most] = LATENCY_MS;
    return least + this.#random() * (most - least);
  }
}
