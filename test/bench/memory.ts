/**
 * Memory of the publisher while very many rows wait: the broker is away, intake continues, then the broker comes and all of
 * it drains. Peak and present size are the kernel's (VmHWM, VmRSS).
 */

import type { BrokerPlan } from "./broker.ts";
import { Database, faultOf } from "./database.ts";
import { type Bench, drained, type Rig } from "./end-to-end.ts";
import { batchBodies, Caller, feed } from "./load.ts";
import { type Service, startService } from "./pair.ts";
import { readMemory } from "./process-meter.ts";
import { scoped } from "./scope.ts";

export interface MemoryResult {
  readonly waiting: number;
  readonly intakePerSecond: number;
  /** Bytes, while all of the rows wait. */
  readonly waitingRss: number | null;
  readonly intakePeak: number | null;
  readonly drainPerSecond: number;
  readonly drainPeak: number | null;
  readonly fault: string | null;
}

/** Bodies are made in portions, so that the caller's own memory stays small. */
const PORTION = 20_000;

export function measureMemory(bench: Bench, broker: BrokerPlan, name: string): Promise<MemoryResult> {
  const { options, directory, postgres } = bench;
  return scoped(async (scope) => {
    const database = await Database.create(scope, postgres.url, name);
    const common = {
      directory,
      databaseUrl: database.url,
      mqttUrl: broker.url,
      window: options.window,
      profileDir: null,
      wantsBroker: false,
    };
    const publisher = await startService(scope, { ...common, name: "publisher" });
    const caller = new Caller(publisher.url, options.connections);
    scope.defer(() => caller.close());
    const intakeMs = await fill(caller, bench);
    const filled = readMemory(publisher.pid);
    await broker.start(scope);
    const startedAt = performance.now();
    const acker: Service = await startService(scope, { ...common, name: "acker", wantsBroker: true });
    const rig: Rig = { database, publisher, acker, caller, roots: {} };
    await drained(rig);
    const drainMs = performance.now() - startedAt;
    const tally = await database.tally();
    return {
      waiting: options.waiting,
      intakePerSecond: (options.waiting / intakeMs) * 1_000,
      waitingRss: filled?.now ?? null,
      intakePeak: filled?.peak ?? null,
      drainPerSecond: (options.waiting / drainMs) * 1_000,
      drainPeak: readMemory(publisher.pid)?.peak ?? null,
      fault: faultOf(tally, options.waiting),
    };
  });
}

async function fill(caller: Caller, { options }: Bench): Promise<number> {
  let spentMs = 0;
  for (let left = options.waiting; left > 0; left -= PORTION) {
    const bodies = batchBodies(Math.min(PORTION, left), options.batch, options);
    const startedAt = performance.now();
    await feed({ caller, bodies, connections: options.connections, mayGoOn: () => Promise.resolve() });
    spentMs += performance.now() - startedAt;
  }
  return spentMs;
}
