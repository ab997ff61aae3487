/**
 * Runs one seed: both production services (their assemblies, machines and decisions) against a simulated database, broker and
 * clock. The judge checks the history after each step (sim-judge.ts).
 */
import { createLink } from "@acktor/shared/link/create-link";
import { checksumOf } from "@acktor/shared/protocol/envelope";
import { createLogger, type Logger } from "@acktor/shared/runtime/logger";
import { seededRandom, seedFor } from "../seeded-random.ts";
import { InboxTable } from "./inbox-table.ts";
import { OutboxTable } from "./outbox-table.ts";
import { SimAcker } from "./sim-acker.ts";
import { type NetworkFaults, SimBroker } from "./sim-broker.ts";
import { SimDatabase } from "./sim-database.ts";
import { simHandler } from "./sim-handler.ts";
import { SimJudge } from "./sim-judge.ts";
import { PLAN_MS, type PlannedFault, type PlannedMessage, type SimFault, type SimPlan } from "./sim-plan.ts";
import { PUBLISH_DEADLINE_MS, SimPublisher } from "./sim-publisher.ts";
import { SimTransports } from "./sim-transport.ts";
import { type SimProcess, VirtualTime } from "./virtual-time.ts";

export interface SimResult {
  /** Why the seed failed; null = every invariant held. */
  readonly broken: string | null;
  readonly steps: number;
  readonly simulatedMs: number;
  readonly accepted: number;
  readonly trace: readonly string[];
}

/** Every message must be in its final state by then; leases and probes take seconds. */
const LIMIT_MS = 120_000;
/** A dead acker is started again after this time. */
const RESTART_MS = 300;
/** A caller waits this long for a publisher that died. */
const CALLER_MS = 5_000;
const LINK = {
  url: "mqtt://simulated",
  publishDeadlineMs: PUBLISH_DEADLINE_MS,
  connectTimeoutMs: 1_000,
  backoff: { baseMs: 100, capMs: 1_000 },
};
const NO_FAULTS: NetworkFaults = { lose: 0, double: 0, reorder: 0 };

let silentLogger: Logger | null = null;

export async function simulate(plan: SimPlan, keepsTrace = false): Promise<SimResult> {
  silentLogger ??= createLogger("sim", "sim", "silent", { write: () => undefined });
  return new Simulation(plan, keepsTrace, silentLogger).run();
}

class Simulation {
  readonly #plan: SimPlan;
  readonly #logger: Logger;
  readonly #time = new VirtualTime();
  readonly #judge: SimJudge;
  readonly #broker: SimBroker;
  readonly #database: SimDatabase;
  readonly #outbox: OutboxTable;
  readonly #inbox: InboxTable;
  #publisher: SimPublisher | null = null;
  readonly #ackers: (SimAcker | null)[];
  #lives = 0;
  #network = NO_FAULTS;
  #faultsOn = 0;
  #underWay = 0;
  #sent = 0;
  #steps = 0;

  constructor(plan: SimPlan, keepsTrace: boolean, logger: Logger) {
    this.#plan = plan;
    this.#logger = logger;
    this.#judge = new SimJudge(keepsTrace);
    this.#broker = new SimBroker(this.#time, this.#random("network"));
    this.#database = new SimDatabase(this.#time, this.#random("database"));
    this.#outbox = new OutboxTable(this.#time, this.#judge);
    this.#inbox = new InboxTable(this.#time, this.#judge);
    this.#ackers = Array.from({ length: plan.ackers }, () => null);
    const [outbox, inbox] = [this.#outbox, this.#inbox];
    this.#judge.watch({ plan, time: this.#time, database: this.#database, outbox, inbox });
  }

  async run(): Promise<SimResult> {
    this.#time.install();
    try {
      this.#startPublisher();
      for (const slot of this.#ackers.keys()) this.#startAcker(slot);
      for (const message of this.#plan.messages) this.#time.later(message.atMs, () => this.#send(message));
      for (const fault of this.#plan.faults) this.#time.later(fault.atMs, () => this.#beginFault(fault));
      this.#time.onStep = () => this.#check();
      await this.#time.run(LIMIT_MS, () => this.#isOver());
      if (this.#judge.verdict === null) this.#judge.checkEnd();
      for (const running of [this.#publisher, ...this.#ackers]) if (running !== null) running.process.alive = false;
    } finally {
      this.#time.uninstall();
    }
    const { verdict, accepted, trace } = this.#judge;
    return { broken: verdict, steps: this.#steps, simulatedMs: this.#time.now, accepted: accepted.size, trace };
  }

  #random(part: string) {
    return seededRandom(seedFor(this.#plan.seed, part));
  }

  #isOver(): boolean {
    if (this.#judge.verdict !== null) return true;
    const quiet = this.#time.now > PLAN_MS && this.#faultsOn === 0 && this.#underWay === 0;
    return quiet && this.#outbox.live() === 0;
  }

  #startPublisher(): void {
    const process: SimProcess = { name: `publisher-${++this.#lives}`, alive: true };
    this.#time.as(process, () => {
      this.#publisher = new SimPublisher({ ...this.#partsOf(process), table: this.#outbox });
    });
  }

  #startAcker(slot: number): void {
    if (this.#ackers[slot]?.process.alive) return;
    const process: SimProcess = { name: `acker-${slot}-${++this.#lives}`, alive: true };
    const killed = (dying: SimProcess, id: string): void => {
      this.#judge.killed(dying, id);
      this.#killAcker(slot);
      this.#time.later(RESTART_MS, () => this.#startAcker(slot));
    };
    const judge = this.#judge;
    const witness = {
      began: (by: SimProcess, id: string) => judge.began(by, id),
      ended: (by: SimProcess, id: string) => judge.ended(by, id),
      killed,
    };
    const handler =
      this.#plan.handling === "row"
        ? ({ name: "inbox", mode: "row" } as const)
        : simHandler(this.#time, process, witness);
    this.#time.as(process, () => {
      this.#ackers[slot] = new SimAcker({ ...this.#partsOf(process), table: this.#inbox, handler });
    });
  }

  #partsOf(owner: SimProcess) {
    const { clock } = this.#time;
    const judge = this.#judge;
    const observer = { listenerFailed: (error: unknown) => judge.broken(`a listener threw: ${String(error)}`) };
    const link = createLink(
      { ...LINK, clientId: owner.name, clock, observer, random: { next: this.#random(`${owner.name} link`) } },
      new SimTransports(this.#broker, owner, judge),
    );
    const random = { next: this.#random(owner.name) };
    return { owner, random, clock, link, database: this.#database, logger: this.#logger };
  }

  #send({ topic, orderingKey, holdMs, work }: PlannedMessage): void {
    const publisher = this.#publisher;
    if (publisher === null || !publisher.process.alive) return;
    const payload = `message ${this.#sent++} of ${topic}: ${work}`;
    this.#underWay++;
    let isOpen = true;
    const done = (): void => {
      if (isOpen) this.#underWay--;
      isOpen = false;
    };
    this.#time.later(CALLER_MS, done);
    const message = {
      ...({
        topic,
        payload,
        contentEncoding: "utf8",
        contentType: null,
        qos: 1,
        retain: false,
        requiresAck: true,
      } as const),
      checksum: checksumOf(payload, "utf8"),
      ...{ orderingKey, maxRetries: null, ttlMs: null, holdMs, deliverAt: null, idempotency: null },
    };
    void this.#time
      .as(publisher.process, () => publisher.publisher.intake.submit([message]))
      .then((result) => {
        done();
        const id = result.ok ? result.messages[0]?.messageId : undefined;
        if (id !== undefined) this.#judge.answered(id);
      });
  }

  #beginFault({ fault, forMs }: PlannedFault): void {
    this.#judge.note(`${fault} for ${forMs} ms`);
    this.#faultsOn++;
    this.#setFault(fault, true);
    this.#time.later(forMs, () => {
      this.#judge.note(`${fault}: over`);
      this.#setFault(fault, false);
      this.#faultsOn--;
    });
  }

  #setFault(fault: SimFault, on: boolean): void {
    switch (fault) {
      case "broker dies":
        if (on) this.#broker.die();
        else this.#broker.live();
        break;
      case "broker is silent":
        this.#broker.setSilent(on);
        break;
      case "connections reset":
        this.#broker.reset();
        break;
      case "publisher dies":
        if (on) this.#killPublisher();
        else if (!this.#publisher?.process.alive) this.#startPublisher();
        break;
      case "acker dies":
        if (on) this.#killAcker(0);
        else this.#startAcker(0);
        break;
      case "acker stops":
        if (on) this.#stopAcker(0);
        else this.#startAcker(0);
        break;
      case "database dies":
        this.#database.up = !on;
        break;
      case "commits go unseen":
        this.#database.ambiguous = on ? 0.3 : 0;
        break;
      case "packets are lost":
        this.#setNetwork({ lose: on ? 0.3 : 0 });
        break;
      case "packets come twice":
        this.#setNetwork({ double: on ? 0.5 : 0 });
        break;
      case "packets overtake":
        this.#setNetwork({ reorder: on ? 0.5 : 0 });
        break;
    }
  }

  #setNetwork(faults: Partial<NetworkFaults>): void {
    this.#network = { ...this.#network, ...faults };
    this.#broker.setFaults(this.#network);
  }

  #killPublisher(): void {
    if (this.#publisher !== null) this.#kill(this.#publisher.process);
  }

  #killAcker(slot: number): void {
    const acker = this.#ackers[slot];
    if (acker) this.#kill(acker.process);
  }

  /** Kills as SIGKILL does: the process does nothing more; its sent packets still arrive. */
  #kill(process: SimProcess): void {
    process.alive = false;
    this.#broker.dropClientsOf(process);
  }

  /** Stops the acker as SIGTERM does, and starts it again afterwards. */
  #stopAcker(slot: number): void {
    const acker = this.#ackers[slot];
    if (!acker?.process.alive) return;
    void this.#time
      .as(acker.process, () => acker.stop())
      .then(() => {
        if (!acker.process.alive) return;
        this.#judge.stopped(acker.process);
        this.#kill(acker.process);
        this.#time.later(RESTART_MS, () => this.#startAcker(slot));
      });
  }

  #check(): void {
    this.#steps++;
    if (!this.#publisher?.process.alive) return;
    const { unacked, trials } = this.#publisher.publisher.dispatcher;
    this.#judge.check(unacked, trials);
  }
}
