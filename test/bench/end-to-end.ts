/**
 * End to end: from the first intake request to the last row acknowledged, seen from outside by SQL. Every row is durable
 * before its 201, in the inbox before its ack, and acknowledged durably; the run is worth nothing when one is missing.
 */
import { until } from "../support/until.ts";
import { Backlog } from "./backlog.ts";
import { Database, faultOf, type Tally } from "./database.ts";
import { batchBodies, Caller, feed } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { type Service, startService } from "./pair.ts";
import { type CpuCost, meterCpu, type Roots } from "./process-meter.ts";
import { type Scope, scoped } from "./scope.ts";

export interface Bench {
  readonly options: BenchOptions;
  readonly directory: string;
  readonly postgres: { readonly url: string; readonly pid: number };
  readonly broker: { readonly url: string; readonly pid: number };
  /** For both services, on top of what every run has. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface EndToEndResult {
  readonly messagesPerSecond: number;
  readonly elapsedMs: number;
  /** Until the last 201. */
  readonly intakeMs: number;
  readonly cpu: CpuCost | null;
  readonly tally: Tally;
  readonly fault: string | null;
}

/** Publisher, acker, database and caller of one run. */
export interface Rig {
  readonly database: Database;
  readonly publisher: Service;
  readonly acker: Service;
  readonly caller: Caller;
  readonly roots: Roots;
}

const DRAIN_LIMIT_MS = 300_000;

/** Starts another acker than the service. */
export type StartAcker = (scope: Scope, bench: Bench, database: Database) => Promise<Service>;

/** Starts a pair on a database of its own. */
export async function startRig(scope: Scope, bench: Bench, name: string, startAcker?: StartAcker): Promise<Rig> {
  const { options, directory, postgres, broker } = bench;
  const database = await Database.create(scope, postgres.url, name);
  const common = {
    directory,
    databaseUrl: database.url,
    mqttUrl: broker.url,
    window: options.window,
    profileDir: options.profileDir,
    wantsBroker: true,
    ...(bench.env === undefined ? {} : { env: bench.env }),
  };
  const publisher = await startService(scope, { ...common, name: "publisher" });
  const acker =
    startAcker === undefined
      ? await startService(scope, { ...common, name: "acker" })
      : await startAcker(scope, bench, database);
  const caller = new Caller(publisher.url, options.connections);
  scope.defer(() => caller.close());
  const roots = {
    publisher: publisher.pid,
    acker: acker.pid,
    postgres: postgres.pid,
    broker: broker.pid,
    caller: process.pid,
  };
  return { database, publisher, acker, caller, roots };
}

/**
 * @param prepare what must be there when the clock starts, in addition to the pair
 * @param startAcker another acker than the service
 */
export function measureEndToEnd(
  bench: Bench,
  name: string,
  prepare: (scope: Scope, rig: Rig) => Promise<void> = async () => undefined,
  startAcker?: StartAcker,
): Promise<EndToEndResult> {
  const { options } = bench;
  return scoped(async (scope) => {
    const rig = await startRig(scope, bench, name, startAcker);
    const { warmup } = options;
    await prepare(scope, rig);
    await push(rig, options, warmup);
    const bodies = batchBodies(options.messages, options.batch, options);
    const cost = meterCpu(rig.roots);
    const { elapsedMs, intakeMs } = await pushBodies(rig, options, bodies);
    const cpu = cost(options.messages);
    const tally = await rig.database.tally();
    return {
      elapsedMs,
      intakeMs,
      messagesPerSecond: (options.messages / elapsedMs) * 1_000,
      cpu,
      tally,
      fault: faultOf(tally, options.messages + warmup),
    };
  });
}

/** Sends messages and waits until all are acknowledged. */
export function push(rig: Rig, options: BenchOptions, messages: number): Promise<{ elapsedMs: number }> {
  return pushBodies(rig, options, batchBodies(messages, options.batch, options));
}

async function pushBodies(
  rig: Rig,
  options: BenchOptions,
  bodies: readonly Buffer[],
): Promise<{ elapsedMs: number; intakeMs: number }> {
  const { database, caller } = rig;
  const { connections, batch } = options;
  const backlog = await Backlog.start(database, options.backlog);
  const startedAt = performance.now();
  await feed({ caller, bodies, connections, mayGoOn: () => backlog.admit(batch) });
  const intakeMs = performance.now() - startedAt;
  await drained(rig);
  return { elapsedMs: performance.now() - startedAt, intakeMs };
}

/** Resolves when no row waits; looks every ten milliseconds or less often, so it tells the time a little late. */
export async function drained({ database, publisher, acker }: Rig): Promise<void> {
  const isDrained = async (): Promise<boolean> => {
    for (const service of [publisher, acker]) {
      if (service.ended() !== null) throw new Error(`a service ended: ${service.ended()}\n${service.tail()}`);
    }
    return (await database.waiting(1)) === 0;
  };
  await until(isDrained, DRAIN_LIMIT_MS, "the last acknowledgment");
}
