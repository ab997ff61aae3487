/**
 * Connections to the simulated broker, in place of MQTT. The link above them is the production link.
 *
 * Invariants:
 *  SIM_TRANSPORT-1. Each accepted publish has one outcome, at the latest at its deadline.
 *  SIM_TRANSPORT-2. The connection ends when a PUBLISH waits and no packet arrives, as in the transport of MQTT.
 */
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";
import type { BrokerLimits, OutgoingPublish, PublishOutcome, Subscription } from "@acktor/shared/mqtt/messages";
import { type OnOutcome, Outstanding, type OutstandingPublish } from "@acktor/shared/mqtt/outstanding";
import { Deadlines } from "@acktor/shared/mqtt/round-trip";
import type {
  Transport,
  TransportListener,
  TransportOptions,
  Transports,
  UnsentReason,
} from "@acktor/shared/mqtt/transport";
import type { SimBroker, SimClient, SimSession } from "./sim-broker.ts";
import type { SimProcess } from "./virtual-time.ts";

/** Receives each written PUBLISH. */
export interface WireWitness {
  written(topic: string, payload: string | Buffer): void;
}

const LIMITS: BrokerLimits = {
  receiveMaximum: 65_535,
  maximumPacketSize: 268_435_460,
  maximumQos: 2,
  retainAvailable: true,
  sharedSubscriptions: true,
};
const LOOK_EVERY_MS = 250;

export class SimTransports implements Transports {
  readonly #broker: SimBroker;
  readonly #owner: SimProcess;
  readonly #witness: WireWitness;

  constructor(broker: SimBroker, owner: SimProcess, witness: WireWitness) {
    this.#broker = broker;
    this.#owner = owner;
    this.#witness = witness;
  }

  open(options: TransportOptions, listener: TransportListener): Transport {
    return new SimTransport(options, listener, this.#broker, this.#owner, this.#witness);
  }
}

class SimTransport implements Transport, SimClient {
  readonly owner: SimProcess;
  readonly closed = Promise.resolve();
  readonly #options: TransportOptions;
  readonly #listener: TransportListener;
  readonly #witness: WireWitness;
  readonly #session: SimSession;
  readonly #outstanding = new Outstanding();
  readonly #deadlines: Deadlines;
  readonly #looking: NodeJS.Timeout;
  /** Written by `connected` and `#end`. */
  #isReady = false;
  /** Written by `#end`. */
  #isOver = false;
  #nextId = 0;
  /** Written when a packet arrives. */
  #heardAt: number;

  constructor(
    options: TransportOptions,
    listener: TransportListener,
    broker: SimBroker,
    owner: SimProcess,
    witness: WireWitness,
  ) {
    this.owner = owner;
    this.#options = options;
    this.#deadlines = new Deadlines(options, options.roundTrip);
    this.#listener = listener;
    this.#witness = witness;
    this.#heardAt = options.clock.now();
    this.#session = broker.connect(this);
    this.#looking = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get inFlight(): number {
    return this.#outstanding.size;
  }

  get activeAt(): number {
    return this.#heardAt;
  }

  capacity(): number {
    return this.#isReady ? Math.max(0, this.#options.sendQuota - this.#outstanding.size) : 0;
  }

  publish({ topic, payload, qos }: OutgoingPublish, tag: number, onOutcome: OnOutcome): UnsentReason | null {
    if (!this.#isReady) return "not_connected";
    if (this.capacity() === 0) return "window_full";
    const entry = { packetId: ++this.#nextId, qos, sentAt: this.#options.clock.now(), tag, onOutcome };
    this.#witness.written(topic, payload);
    this.#outstanding.add(entry);
    const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
    this.#session.publish(topic, bytes, (reasonCode) => this.#acked(entry, reasonCode));
    if (qos === 0) queueMicrotask(() => this.#acked(entry, 0));
    return null;
  }

  subscribe(_subscriptions: readonly Subscription[]): void {
    // The broker asks for `filters` when it delivers.
  }

  unsubscribe(_filter: string): void {
    // As above.
  }

  async close(): Promise<void> {
    this.#end();
  }

  filters(): readonly string[] {
    return [...this.#options.wanted.keys()].map((filter) => filter.replace(/^\$share\/[^/]+\//, ""));
  }

  connected(): void {
    this.#heardAt = this.#options.clock.now();
    this.#isReady = true;
    this.#listener.ready(LIMITS);
    this.#listener.roomChanged();
  }

  ended(): void {
    this.#end({ kind: "closed", beforeConnack: false });
  }

  received(topic: string, payload: Buffer): void {
    this.#heardAt = this.#options.clock.now();
    this.#listener.message({ topic, payload, qos: 1, retain: false, userProperties: undefined });
  }

  #acked(entry: OutstandingPublish, reasonCode: number): void {
    this.#heardAt = this.#options.clock.now();
    const sentAt = this.#outstanding.sentAt(entry.packetId);
    if (sentAt !== undefined) this.#options.roundTrip.published(this.#heardAt - sentAt);
    const isOpen = this.#outstanding.get(entry.packetId) !== undefined;
    if (!this.#outstanding.settle(entry.packetId)) return;
    if (isOpen) this.#settled(entry, { kind: "acked", reasonCode });
    this.#listener.roomChanged();
  }

  #look(): void {
    const { clock, connectTimeoutMs, roundTrip } = this.#options;
    const { publishDeadlineMs, silenceMs } = this.#deadlines;
    const now = clock.now();
    if (!this.#isReady && now - this.#heardAt >= connectTimeoutMs) {
      this.#end({ kind: "deadline", of: "connect", afterMs: now - this.#heardAt });
      return;
    }
    // SIM_TRANSPORT-1
    for (const entry of this.#outstanding.expire(now - publishDeadlineMs)) {
      this.#settled(entry, { kind: "lost", why: "deadline" });
    }
    // SIM_TRANSPORT-2
    if (this.#outstanding.unanswered > 0 && now - this.#heardAt >= silenceMs) {
      roundTrip.backOff();
      this.#end({ kind: "deadline", of: "silence", afterMs: now - this.#heardAt });
    }
  }

  #settled(entry: OutstandingPublish, outcome: PublishOutcome): void {
    this.#listener.settled(entry, outcome, this.#options.clock.now());
  }

  #end(failure: FailureInput | null = null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isReady = false;
    clearInterval(this.#looking);
    this.#session.close();
    const cause = failure === null ? {} : { cause: failure };
    for (const entry of this.#outstanding.clear())
      this.#settled(entry, { kind: "lost", why: "disconnected", ...cause });
    if (failure !== null) this.#listener.ended(failure, []);
  }
}
