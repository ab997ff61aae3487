/**
 * A campaign: the pair runs as real processes under traffic. Processes are killed and frozen, lines are cut, packets are
 * altered and forged. Then the faults stop, the messages drain, and the checker runs as a separate program.
 *
 * Calls, answers and faults are written into a history outside the system, as they happen. A fault that hit nothing is
 * reported. Every wait has a limit; an exceeded limit is an entry of the history.
 */
import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import path from "node:path";
import { pause } from "@acktor/shared/runtime/pause";
import { isApart } from "../netns/own-namespace.ts";
import { makePacketRule } from "../proxy/packet-rules.ts";
import { injectByProxy, unitOf } from "../run/inject.ts";
import { describeFault, type Fault, TOPIC_ROOT } from "../scenarios/scenario.ts";
import { type Random, seededRandom, seedFor } from "../seeded-random.ts";
import { type History, openHistory } from "../workload/history.ts";
import { startWriters, type Writers } from "../workload/writers.ts";
import { builtLab } from "../world/built.ts";
import type { Unit } from "../world/unit.ts";
import { becomesTrue } from "../world/until.ts";
import { startWorld, type World } from "../world/world.ts";
import { type Intruder, sendIntruder } from "./intruder.ts";
import { type Observer, observe } from "./observe.ts";
import { BACKGROUND, type FaultStep, type Plan, planCampaign } from "./plan.ts";
import { type Poison, spreadPoison } from "./poison.ts";
import type { Profile } from "./profiles.ts";
import { readVitals } from "./vitals.ts";

export interface CampaignOptions {
  readonly profile: Profile;
  readonly seed: number;
  /** ACKTOR_HANDLER of the acker. */
  readonly handler: string;
  readonly historyFile: string;
  /** Folder of the build under test; the repository when absent. */
  readonly root?: string;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface CampaignEnd {
  /** Exit code of the checker: 0 = nothing is wrong. */
  readonly checkerExit: number;
  readonly durationMs: number;
  readonly missed: readonly string[];
}

/** Shorter waits than in production, because a fault lasts only seconds. The logic is the same. */
const ACK_SECRET = "the lab's secret, known to both";
const ENV = {
  ACKTOR_ACK_SECRET: ACK_SECRET,
  ACKTOR_ACK_TIMEOUT_MIN: "500ms",
  ACKTOR_RETRY_BASE: "200ms",
  ACKTOR_RETRY_CAP: "1s",
  ACKTOR_BACKOFF_BASE: "100ms",
  ACKTOR_BACKOFF_CAP: "1s",
  ACKTOR_KEEPALIVE: "2s",
  ACKTOR_LEASE: "5s",
};
/** I9. */
const RECOVERY_LIMIT_MS = 10_000;
const SIGTERM_LIMIT_MS = 5_000;
/**
 * How long the drain may take, and how much longer for each message that waits when the faults end. An ordering key sends
 * one message at a time, and half of the messages have one of twenty keys: 1,090 a second were measured.
 */
const DRAIN_LIMIT_MS = 60_000;
const DRAIN_MS_PER_WAITING = 2;
/** The broker may be down at that moment. */
const RESET_LIMIT_MS = 5_000;
const MOST_TRIES = 12;
const LAST_ANSWERS_MS = 15_000;
/** The faults may end before enough messages are accepted. */
const MORE_MESSAGES_LIMIT_MS = 60_000;

export async function runCampaign(options: CampaignOptions): Promise<CampaignEnd> {
  await rm(options.historyFile, { force: true });
  const history = openHistory(options.historyFile);
  const random = seededRandom(seedFor(options.seed, "campaign faults"));
  const world = await startWorld({
    env: { ...ENV, ACKTOR_HANDLER: options.handler },
    random,
    hooked: true,
    smallDisk: options.profile.fullDisks > 0 && isApart("mnt"),
    ...(options.root === undefined ? {} : { root: options.root }),
  });
  const campaign = new Campaign(options, world, history, random);
  try {
    return await campaign.run();
  } finally {
    await campaign.stop();
    await world.stop();
    history.close();
  }
}

class Campaign {
  readonly #options: CampaignOptions;
  readonly #world: World;
  readonly #history: History;
  readonly #random: Random;
  readonly #plan: Plan;
  readonly #missed: string[] = [];
  readonly #over = new AbortController();
  #writers: Writers | null = null;
  #intruder: Intruder | null = null;
  #poison: Poison | null = null;
  #observer: Observer | null = null;

  constructor(options: CampaignOptions, world: World, history: History, random: Random) {
    this.#options = options;
    this.#world = world;
    this.#history = history;
    this.#random = random;
    const has = { nats: world.units.nats !== null, disk: world.disk !== null };
    this.#plan = planCampaign(options.profile, options.seed, has);
  }

  async run(): Promise<CampaignEnd> {
    const { profile, seed, say } = this.#options;
    const begin = performance.now();
    this.#breakPackets();
    const writers = startWriters({
      url: this.#world.units.publisher.url,
      seed: seedFor(seed, "campaign traffic"),
      rate: profile.rate,
      history: this.#history,
      topicRoot: TOPIC_ROOT,
    });
    this.#writers = writers;
    this.#observer = observe(this.#world);
    this.#intruder = this.#sendIntruder();
    this.#poison = this.#spreadPoison();
    const { done } = this.#intruder;
    await Promise.all([this.#play(this.#plan.processes), this.#play(this.#plan.lines), done, this.#poison.sent]);
    this.#noteIntruder(this.#intruder);
    await pause(profile.steadyMs, this.#signal());
    say(`faults ended after ${seconds(begin)} s, ${writers.accepted()} messages accepted`);
    const enough = (): boolean => writers.accepted() >= profile.leastMessages;
    await becomesTrue(enough, MORE_MESSAGES_LIMIT_MS, this.#options.signal);
    await writers.stop(LAST_ANSWERS_MS);
    await this.#settle();
    say(`quiet after ${seconds(begin)} s`);
    await this.#noteVitals();
    await this.#stopServices();
    const checkerExit = await this.#check();
    return { checkerExit, durationMs: performance.now() - begin, missed: this.#missed };
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#writers?.stop(0);
    await this.#intruder?.done;
    await this.#poison?.stop();
    await this.#observer?.stop();
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#over.signal, this.#options.signal]);
  }

  /** Packets are doubled, swapped and altered all the time. */
  #breakPackets(): void {
    for (const name of ["publisher.mqtt", "acker.mqtt"] as const) {
      this.#world.lines[name].setRule(makePacketRule(BACKGROUND, this.#random));
    }
  }

  #sendIntruder(): Intruder {
    const { profile } = this.#options;
    return sendIntruder({
      brokerUrl: `mqtt://127.0.0.1:${this.#world.units.broker.port}`,
      random: this.#random,
      ids: () => this.#history.entries.slice(-500).flatMap((entry) => (isOk(entry) ? [entry.id] : [])),
      storm: profile.ackStorm,
      forged: profile.forgedAcks,
      signal: this.#signal(),
    });
  }

  /** An ack counts when the broker has confirmed it. */
  #noteIntruder({ counts: { storm, forged } }: Intruder): void {
    this.#history.add({ op: "fault", phase: "end", name: "acks of unknown messages", hits: storm });
    this.#history.add({ op: "fault", phase: "end", name: "forged acks", hits: forged });
  }

  #spreadPoison(): Poison {
    return spreadPoison({
      world: this.#world,
      history: this.#history,
      counts: this.#options.profile.poison,
      ackSecret: ACK_SECRET,
      signal: this.#signal(),
    });
  }

  async #noteVitals(): Promise<void> {
    for (const entry of (await this.#observer?.stop()) ?? []) this.#history.add(entry);
    for (const [service, { vitals }] of Object.entries(this.#world.hooks ?? {})) {
      this.#history.add({ op: "vitals", service, ...readVitals(vitals) });
    }
  }

  async #play(steps: readonly FaultStep[]): Promise<void> {
    for (const step of steps) {
      if (this.#options.signal.aborted) return;
      await this.#playStep(step);
      await pause(step.pauseMs, this.#signal());
    }
  }

  /** Repeats a step that hit too little, because its target was dead or cut off at that moment. */
  async #playStep(step: FaultStep): Promise<void> {
    const { leastHits = 1 } = step;
    const hits = new Map<string, number>();
    const short = (): string[] => [...hits].filter(([, count]) => count < leastHits).map(([name]) => name);
    for (let tries = 0; tries < MOST_TRIES && !this.#options.signal.aborted; tries++) {
      for (const [name, count] of await this.#playOnce(step)) hits.set(name, (hits.get(name) ?? 0) + count);
      if (step.needsReset) await this.#resetLink();
      if (short().length === 0) return;
      await pause(step.pauseMs, this.#signal());
    }
    this.#missed.push(...short());
  }

  /** @returns how often each fault hit */
  async #playOnce(step: FaultStep): Promise<(readonly [name: string, hits: number])[]> {
    const begun = await Promise.all(step.faults.map((fault) => this.#begin(fault)));
    await pause(step.forMs, this.#signal());
    const results: (readonly [string, number])[] = [];
    for (const { name, injection } of begun) {
      await injection.end();
      const hits = injection.hits();
      results.push([name, hits]);
      this.#history.add({ op: "fault", phase: "end", name, hits });
    }
    if (step.faults.some(({ do: what }) => what === "packets")) this.#breakPackets();
    return results;
  }

  async #begin(fault: Fault) {
    const name = describeFault(fault);
    this.#history.add({ op: "fault", phase: "begin", name, hits: 0 });
    const injection = await injectByProxy(this.#world, fault, this.#random);
    if (injection === null) throw new Error(`no injector for ${name}`);
    if (fault.do === "kill" && injection.hits() > 0) this.#history.add({ op: "kill", what: fault.unit });
    if (fault.do === "stop" && injection.hits() > 0) this.#noteStop(unitOf(this.#world, fault.unit));
    return { name, injection };
  }

  /** Resets the link as an operator does, until it is connected. Without a reset ERROR waits for half a minute or more. */
  async #resetLink(): Promise<void> {
    const { publisher } = this.#world.units;
    const isBack = async (): Promise<boolean> => {
      const state = await publisher.connection();
      if (state === "ERROR") await this.#post(`${publisher.url}/v1/link/reset`);
      return state === "CONNECTED";
    };
    await becomesTrue(isBack, RESET_LIMIT_MS, this.#signal());
  }

  async #post(url: string): Promise<void> {
    const headers = { "content-type": "application/json" };
    await fetch(url, { method: "POST", headers, signal: AbortSignal.timeout(2_000) }).then(
      (response) => response.arrayBuffer(),
      () => undefined, // The publisher was killed meanwhile; the next process starts without an ERROR.
    );
  }

  /** All faults have ended: both services must connect in time, and every message must reach its final state. */
  async #settle(): Promise<void> {
    const { publisher, acker } = this.#world.units;
    const before = performance.now();
    const connected = async (): Promise<boolean> => {
      const states = await Promise.all([publisher.connection(), acker.connection()]);
      return states.every((state) => state === "CONNECTED");
    };
    if (!(await becomesTrue(connected, RECOVERY_LIMIT_MS, this.#options.signal))) {
      this.#late("both CONNECTED", performance.now() - before, RECOVERY_LIMIT_MS);
    }
    for (const name of ["publisher.mqtt", "acker.mqtt"] as const) this.#world.lines[name].setRule(null);
    const live = "select count(*)::int4 live from publisher.message_delivery where due_at is not null";
    const waiting = async (): Promise<number> => {
      const answer = await this.#world.pool.run<{ live: number }>(live);
      return answer.ok ? (answer.rows[0]?.live ?? 0) : Number.POSITIVE_INFINITY;
    };
    const began = performance.now();
    const most = this.#options.profile.leastMessages * 2;
    const backlog = Math.min(most, await waiting());
    const limitMs = DRAIN_LIMIT_MS + backlog * DRAIN_MS_PER_WAITING;
    const emptied = await becomesTrue(async () => (await waiting()) === 0, limitMs, this.#options.signal);
    if (!emptied)
      this.#late(`every message in its final state (${backlog} waited)`, performance.now() - began, limitMs);
    this.#options.say(`${backlog} messages waited when the faults ended; drained in ${seconds(began)} s`);
    await this.#poison?.stop();
  }

  /** After SIGTERM each service must exit within 5 s. */
  async #stopServices(): Promise<void> {
    for (const service of [this.#world.units.publisher, this.#world.units.acker]) {
      if (await service.stop()) this.#noteStop(service);
      const ms = service.slowestStopMs();
      if (ms > SIGTERM_LIMIT_MS) this.#late(`SIGTERM of ${service.name}`, ms, SIGTERM_LIMIT_MS);
      for (const line of service.ownErrors()) this.#history.add({ op: "own-error", service: service.name, line });
    }
  }

  /** SIGTERM must give exit code 0, also during a fault. */
  #noteStop(unit: Unit): void {
    const end = unit.lastEnd();
    if (end !== "exit 0") this.#history.add({ op: "own-error", service: unit.name, line: `SIGTERM: ${end}` });
  }

  #late(what: string, ms: number, limitMs: number): void {
    this.#history.add({ op: "late", what, ms: Math.round(ms), limitMs });
  }

  /** The checker gets only the history and the database. */
  #check(): Promise<number> {
    const program = builtLab("campaign/check-history.js");
    const args = [program, path.resolve(this.#options.historyFile), String(this.#options.profile.leastMessages)];
    const env = { ...process.env, DATABASE_URL: this.#world.databaseUrl };
    const child = spawn(process.execPath, args, { stdio: "inherit", env });
    return new Promise((resolve) => {
      child.once("exit", (code) => resolve(code ?? 1));
      child.once("error", () => resolve(1));
    });
  }
}

function isOk(entry: History["entries"][number]): entry is Extract<History["entries"][number], { kind: "ok" }> {
  return entry.op === "answer" && entry.kind === "ok";
}

function seconds(begin: number): string {
  return ((performance.now() - begin) / 1_000).toFixed(1);
}
