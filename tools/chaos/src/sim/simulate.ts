/**
 * One seed, one history: the real machines and decisions of both services against a simulated world, judged after each
 * step.
 *
 * Invariants asked (FAULTS I1 to I5, I7): only legal moves; an effect at most once; nothing acknowledged without its
 * effect; per key, first effects in commit order; no attempt that was not written; un-acked within the window; what was
 * answered with 201 is there, and in the end everything is acknowledged.
 */
import { checksumOf } from "@acktor/shared/protocol/envelope";
import { createLogger, type Logger } from "@acktor/shared/runtime/logger";
import { seededRandom, seedFor } from "../seeded-random.ts";
import { startSimAcker } from "./sim-acker.ts";
import { type NetworkFaults, SimBroker } from "./sim-broker.ts";
import { SimDatabase } from "./sim-database.ts";
import { SimInbox } from "./sim-inbox.ts";
import { createSimLink } from "./sim-link.ts";
import { SimOutbox } from "./sim-outbox.ts";
import { PLAN_MS, type PlannedFault, type PlannedMessage, type SimFault, type SimPlan } from "./sim-plan.ts";
import { PUBLISH_DEADLINE_MS, type SimPublisher, startSimPublisher, WINDOW } from "./sim-publisher.ts";
import { type SimProcess, VirtualTime } from "./virtual-time.ts";

export interface SimResult {
  /** Why it failed; null = every invariant held. */
  readonly broken: string | null;
  readonly steps: number;
  readonly simulatedMs: number;
  readonly accepted: number;
  readonly trace: readonly string[];
}

/** Until then everything has ended; leases and probes are seconds. */
const LIMIT_MS = 60_000;
const NO_FAULTS: NetworkFaults = { lose: 0, double: 0, reorder: 0 };

let silentLogger: Logger | null = null;

export async function simulate(plan: SimPlan, keepsTrace = false): Promise<SimResult> {
  silentLogger ??= createLogger("sim", "sim", "silent", { write: () => undefined });
  const simulation = new Simulation(plan, keepsTrace, silentLogger);
  return simulation.run();
}

interface Running {
  readonly process: SimProcess;
  stop(): void;
}

class Simulation {
  readonly #plan: SimPlan;
  readonly #keepsTrace: boolean;
  readonly #logger: Logger;
  readonly #time = new VirtualTime();
  readonly #broker: SimBroker;
  readonly #database: SimDatabase;
  readonly #outbox: SimOutbox;
  readonly #inbox: SimInbox;
  readonly #published = new Map<string, number>();
  readonly #effects: string[] = [];
  readonly #accepted = new Set<string>();
  readonly #trace: string[] = [];
  #publisher: (Running & SimPublisher) | null = null;
  #acker: Running | null = null;
  #lives = 0;
  #network = NO_FAULTS;
  #faultsOn = 0;
  #underWay = 0;
  #sent = 0;
  #steps = 0;
  #broken: string | null = null;

  constructor(plan: SimPlan, keepsTrace: boolean, logger: Logger) {
    this.#plan = plan;
    this.#keepsTrace = keepsTrace;
    this.#logger = logger;
    this.#broker = new SimBroker(this.#time, this.#random("network"));
    this.#database = new SimDatabase(this.#time, this.#random("database"));
    this.#outbox = new SimOutbox(this.#time, {
      published: (id) => this.#published.get(id) ?? 0,
      hasEffect: (id) => this.#inbox.has(id),
      onBroken: (why) => this.#break(why),
    });
    this.#inbox = new SimInbox((id, content) => this.#onEffect(id, content));
  }

  async run(): Promise<SimResult> {
    this.#time.install();
    try {
      this.#startPublisher();
      this.#startAcker();
      for (const message of this.#plan.messages) this.#time.later(message.atMs, () => this.#send(message));
      for (const fault of this.#plan.faults) this.#time.later(fault.atMs, () => this.#beginFault(fault));
      this.#time.onStep = () => this.#check();
      await this.#time.run(LIMIT_MS, () => this.#isOver());
      if (this.#broken === null) this.#checkEnd();
      for (const running of [this.#publisher, this.#acker]) {
        if (running !== null) running.process.alive = false;
      }
    } finally {
      this.#time.uninstall();
    }
    return {
      broken: this.#broken,
      steps: this.#steps,
      simulatedMs: this.#time.now,
      accepted: this.#accepted.size,
      trace: this.#trace,
    };
  }

  #random(part: string) {
    return seededRandom(seedFor(this.#plan.seed, part));
  }

  #isOver(): boolean {
    if (this.#broken !== null) return true;
    const quiet = this.#time.now > PLAN_MS && this.#faultsOn === 0 && this.#underWay === 0;
    return quiet && this.#outbox.live() === 0;
  }

  #break(why: string): void {
    this.#broken ??= `${this.#named(why)} (at ${this.#time.now.toFixed(1)} ms)`;
    this.#note(`BROKEN: ${why}`);
  }

  /** Ids are of their moment; numbers are the same in each run. */
  #named(text: string): string {
    return text.replace(/[0-9a-f-]{36}/g, (id) => {
      const payload = this.#outbox.rows.get(id)?.message.payload ?? id;
      return payload.replace(/^message (\d+) .*/, "#$1");
    });
  }

  #note(line: string): void {
    if (this.#keepsTrace) this.#trace.push(`${this.#time.now.toFixed(1).padStart(9)} ms  ${this.#named(line)}`);
  }

  #startPublisher(): void {
    const process: SimProcess = { name: `publisher-${++this.#lives}`, alive: true };
    const random = this.#random(process.name);
    this.#time.as(process, () => {
      const link = this.#link(process);
      const parts = { time: this.#time, owner: process, random, link, logger: this.#logger };
      this.#publisher = { process, ...startSimPublisher({ ...parts, database: this.#database, outbox: this.#outbox }) };
    });
  }

  #startAcker(): void {
    const process: SimProcess = { name: `acker-${++this.#lives}`, alive: true };
    const random = this.#random(process.name);
    this.#time.as(process, () => {
      const pool = this.#inbox.pool(this.#database, process);
      const parts = { time: this.#time, owner: process, random, link: this.#link(process), logger: this.#logger };
      this.#acker = { process, ...startSimAcker({ ...parts, pool }) };
    });
  }

  #link(owner: SimProcess) {
    return createSimLink({
      time: this.#time,
      broker: this.#broker,
      owner,
      random: this.#random(`${owner.name} link`),
      publishDeadlineMs: PUBLISH_DEADLINE_MS,
      onWritten: ({ topic, payload }) => this.#onWritten(topic, payload),
      onBroken: (why) => this.#break(`${owner.name}: ${why}`),
    });
  }

  #onWritten(topic: string, payload: string | Buffer): void {
    if (!topic.startsWith("sim/")) {
      this.#note(`ack written ${topic}`);
      return;
    }
    const id = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(payload.toString())?.[0] ?? "";
    this.#published.set(id, (this.#published.get(id) ?? 0) + 1);
    this.#note(`PUBLISH ${id}`);
  }

  #onEffect(id: string, content: string): void {
    this.#note(`effect ${id}`);
    if (this.#effects.includes(id)) this.#break(`${id} has a second effect`);
    this.#effects.push(id);
    const row = this.#outbox.rows.get(id);
    if (row === undefined || row.message.payload !== content) this.#break(`${id} has an effect that nobody sent`);
    const key = row?.message.orderingKey ?? null;
    if (row === undefined || key === null) return;
    for (const other of this.#outbox.rows.values()) {
      const isEarlier = other.message.orderingKey === key && other.seq < row.seq;
      if (isEarlier && other.dueAt !== null && !this.#effects.includes(other.message.messageId)) {
        this.#break(`${id} had its effect before ${other.message.messageId} of the same key`);
      }
    }
  }

  #send({ topic, orderingKey }: PlannedMessage): void {
    const publisher = this.#publisher;
    if (publisher === null || !publisher.process.alive) return;
    const payload = `message ${this.#sent++} of ${topic}`;
    this.#underWay++;
    const answered = this.#time.as(publisher.process, () =>
      publisher.intake.submit([
        {
          topic,
          payload,
          contentEncoding: "utf8",
          contentType: null,
          qos: 1,
          retain: false,
          requiresAck: true,
          checksum: checksumOf(payload, "utf8"),
          orderingKey,
          maxRetries: null,
          ttlMs: null,
          deliverAt: null,
          idempotency: null,
        },
      ]),
    );
    const done = (): void => {
      this.#underWay--;
    };
    // A caller whose publisher died waits no longer.
    let open = true;
    this.#time.later(5_000, () => {
      if (open) done();
      open = false;
    });
    void answered.then((result) => {
      if (open) done();
      open = false;
      const id = result.ok ? result.messages[0]?.messageId : undefined;
      if (id === undefined) return;
      this.#accepted.add(id);
      this.#note(`201 for ${id}`);
      if (!this.#outbox.rows.has(id)) this.#break(`${id} was answered with 201 and is not there`);
    });
  }

  #beginFault({ fault, forMs }: PlannedFault): void {
    this.#note(`${fault} for ${forMs} ms`);
    this.#faultsOn++;
    this.#setFault(fault, true);
    this.#time.later(forMs, () => {
      this.#note(`${fault}: over`);
      this.#setFault(fault, false);
      this.#faultsOn--;
    });
  }

  #setFault(fault: SimFault, on: boolean): void {
    switch (fault) {
      case "broker dies":
        if (on) this.#broker.die();
        else this.#broker.live();
        return;
      case "broker is silent":
        this.#broker.setSilent(on);
        return;
      case "connections reset":
        this.#broker.reset();
        return;
      case "publisher dies":
        if (on) this.#kill(this.#publisher);
        else if (!this.#publisher?.process.alive) this.#startPublisher();
        return;
      case "acker dies":
        if (on) this.#kill(this.#acker);
        else if (!this.#acker?.process.alive) this.#startAcker();
        return;
      case "database dies":
        this.#database.up = !on;
        return;
      case "commits go unseen":
        this.#database.ambiguous = on ? 0.3 : 0;
        return;
      case "packets are lost":
        this.#setNetwork({ lose: on ? 0.3 : 0 });
        return;
      case "packets come twice":
        this.#setNetwork({ double: on ? 0.5 : 0 });
        return;
      case "packets overtake":
        this.#setNetwork({ reorder: on ? 0.5 : 0 });
        return;
    }
  }

  #setNetwork(faults: Partial<NetworkFaults>): void {
    this.#network = { ...this.#network, ...faults };
    this.#broker.setFaults(this.#network);
  }

  /** As by kill -9: nothing more of it happens; what it sent to others is on its way. */
  #kill(running: Running | null): void {
    if (running === null) return;
    running.process.alive = false;
    this.#broker.dropClientsOf(running.process);
  }

  #check(): void {
    this.#steps++;
    const publisher = this.#publisher;
    if (publisher?.process.alive && publisher.unacked() > WINDOW) {
      this.#break(`${publisher.unacked()} messages un-acked, the window is ${WINDOW}`);
    }
  }

  #checkEnd(): void {
    const open = [...this.#outbox.rows.values()].filter(({ state }) => state !== "acknowledged");
    const [first] = open;
    if (first !== undefined) {
      this.#break(`${open.length} messages have not been acknowledged; ${first.message.messageId} is ${first.state}`);
    }
  }
}
