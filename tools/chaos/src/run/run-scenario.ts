/**
 * Runs one scenario from start to verdict: starts a separate world, sends traffic, plays the schedule, drains, and judges.
 *
 * Every wait has a limit. An exceeded limit is a reason in the verdict.
 */
import { pause } from "@acktor/shared/runtime/pause";
import { findOutOfOrder, judge } from "../check/judge.ts";
import { isApart } from "../netns/own-namespace.ts";
import {
  describeFault,
  lastEnd,
  type Scenario,
  type ScheduledFault,
  scheduleOf,
  TOPIC_ROOT,
} from "../scenarios/scenario.ts";
import { type Random, seededRandom, seedFor } from "../seeded-random.ts";
import { type History, openHistory } from "../workload/history.ts";
import { startWriters, type Writers } from "../workload/writers.ts";
import { becomesTrue } from "../world/until.ts";
import { startWorld, type World, type WorldOptions } from "../world/world.ts";
import type { Injector } from "./inject.ts";
import type { Injection } from "./inject-lines.ts";
import { readFacts } from "./read-facts.ts";
import type { FaultRecord, ScenarioResult } from "./result.ts";
import { judgeLimits } from "./verdict.ts";
import { type PublisherWatch, watchPublisher } from "./watch-publisher.ts";

export interface RunOptions {
  readonly seed: number;
  /** Messages of the complete run, spread over its time. Null: 100 a second. */
  readonly messages: number | null;
  readonly inject: Injector;
  readonly world?: WorldOptions;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

export interface Progress {
  readonly phase: "starting" | "running" | "draining" | "judging";
  readonly atMs: number;
  readonly ofMs: number;
  readonly state: string | null;
  readonly accepted: number;
  readonly settled: number;
  /** Faults that are active now. */
  readonly faults: readonly string[];
}

const RATE = 100;
/** Traffic continues after the last fault, so that the recovery is visible. */
const AFTERWARDS_MS = 5_000;
const LAST_ANSWERS_MS = 20_000;
const DRAIN_LIMIT_MS = 90_000;
const PROGRESS_MS = 250;

export async function runScenario(scenario: Scenario, options: RunOptions): Promise<ScenarioResult> {
  const run = new ScenarioRun(scenario, options);
  try {
    return await run.run();
  } finally {
    await run.stop();
  }
}

interface Active {
  readonly name: string;
  readonly beginMs: number;
  readonly injection: Injection;
  endMs: number | null;
}

class ScenarioRun {
  readonly #scenario: Scenario;
  readonly #options: RunOptions;
  readonly #schedule: readonly ScheduledFault[];
  readonly #random: Random;
  readonly #history: History = openHistory(null);
  readonly #faults: Active[] = [];
  #world: World | null = null;
  #writers: Writers | null = null;
  #watch: PublisherWatch | null = null;
  #impossible: string | null = null;

  constructor(scenario: Scenario, options: RunOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.#schedule = scheduleOf(scenario, options.seed);
    this.#random = seededRandom(seedFor(options.seed, `${scenario.name} faults`));
  }

  async run(): Promise<ScenarioResult> {
    const { seed, messages, onProgress } = this.#options;
    onProgress({ phase: "starting", atMs: 0, ofMs: 0, state: null, accepted: 0, settled: 0, faults: [] });
    const hooked = this.#schedule.some(({ fault }) => fault.do === "set-clock");
    const smallDisk = this.#scenario.needs === "disk" && isApart("mnt");
    const world = await startWorld({ random: this.#random, hooked, smallDisk, ...this.#options.world });
    this.#world = world;
    const totalMs = lastEnd(this.#schedule) + AFTERWARDS_MS;
    const rate = messages === null ? RATE : messages / (totalMs / 1_000);
    const watch = watchPublisher(world.units.publisher);
    this.#watch = watch;
    this.#writers = startWriters({
      url: world.units.publisher.url,
      seed: seedFor(seed, `${this.#scenario.name} traffic`),
      rate,
      history: this.#history,
      topicRoot: TOPIC_ROOT,
    });
    const progress = setInterval(() => this.#report(totalMs), PROGRESS_MS);
    try {
      await this.#play(world, watch, totalMs);
      await this.#writers.stop(LAST_ANSWERS_MS);
      await this.#drain(world);
    } finally {
      clearInterval(progress);
    }
    return this.#judge(world, watch);
  }

  async stop(): Promise<void> {
    for (const fault of this.#faults) if (fault.endMs === null) await fault.injection.end();
    await this.#writers?.stop(0);
    await this.#watch?.stop();
    await this.#world?.stop();
  }

  /** Plays the schedule: every fault at its time, until the end of the run. */
  async #play(world: World, watch: PublisherWatch, totalMs: number): Promise<void> {
    await Promise.all(this.#schedule.map((scheduled) => this.#break(world, watch, scheduled)));
    await this.#waitUntil(watch, totalMs);
  }

  async #break(world: World, watch: PublisherWatch, { atMs, forMs, fault }: ScheduledFault): Promise<void> {
    if (!(await this.#waitUntil(watch, atMs))) return;
    const name = describeFault(fault);
    const injection = await this.#options.inject(world, fault, this.#random);
    if (injection === null) {
      this.#impossible = name;
      return;
    }
    const active: Active = { name, beginMs: watch.now(), injection, endMs: null };
    this.#faults.push(active);
    await this.#waitUntil(watch, atMs + forMs);
    await injection.end();
    active.endMs = watch.now();
  }

  #waitUntil(watch: PublisherWatch, atMs: number): Promise<boolean> {
    return pause(Math.max(0, atMs - watch.now()), this.#options.signal);
  }

  async #drain(world: World): Promise<void> {
    const live = "select count(*)::int4 live from publisher.message_delivery where due_at is not null";
    const isEmpty = async (): Promise<boolean> => {
      const answer = await world.pool.run<{ live: number }>(live);
      return answer.ok && answer.rows[0]?.live === 0;
    };
    await becomesTrue(isEmpty, DRAIN_LIMIT_MS, this.#options.signal);
  }

  #report(totalMs: number): void {
    const watch = this.#watch;
    const last = watch?.samples.at(-1);
    const atMs = watch?.now() ?? 0;
    this.#options.onProgress({
      phase: atMs < totalMs ? "running" : "draining",
      atMs,
      ofMs: totalMs,
      state: last?.state ?? null,
      accepted: this.#writers?.accepted() ?? 0,
      settled: last?.counts.settled ?? 0,
      faults: this.#faults.filter((fault) => fault.endMs === null).map((fault) => fault.name),
    });
  }

  async #judge(world: World, watch: PublisherWatch): Promise<ScenarioResult> {
    const connected = (): boolean => watch.samples.at(-1)?.state === "CONNECTED";
    await becomesTrue(connected, this.#scenario.limits.recoverMs, this.#options.signal);
    await watch.stop();
    const answers = this.#history.entries.filter((entry) => entry.op === "answer");
    const accepted = answers.flatMap((entry) => (entry.kind === "ok" ? [entry.id] : []));
    const found = await judge(world.pool, { accepted });
    const outOfOrder = await findOutOfOrder(world.pool);
    const facts = await readFacts(world.pool, this.#scenario.silenced ?? null);
    const { publisher, acker } = world.units;
    const last = watch.samples.at(-1);
    const faults: FaultRecord[] = this.#faults.map(({ name, beginMs, endMs, injection }) => {
      return { name, beginMs, endMs: endMs ?? watch.now(), hits: injection.hits() };
    });
    const counts = { accepted: accepted.length, refused: countOf("refused"), unknown: countOf("unknown") };
    function countOf(kind: "refused" | "unknown"): number {
      return answers.filter((entry) => entry.kind === kind).length;
    }
    return judgeLimits(this.#scenario, {
      seed: this.#options.seed,
      durationMs: watch.now(),
      sent: this.#writers?.sent() ?? 0,
      ...counts,
      found,
      outOfOrder,
      facts,
      ownErrors: [...publisher.ownErrors(), ...acker.ownErrors()],
      faults,
      impossible: this.#impossible,
      interrupted: this.#options.signal.aborted,
      samples: watch.samples,
      finalState: last?.state ?? "unknown",
    });
  }
}
