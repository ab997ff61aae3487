/**
 * What `crash-points` does: a service is killed at each point of a message's life, started again, and judged.
 * Exit codes: 0 nothing is wrong, 1 something is or a point was not reached, 130 interrupted.
 */
import { pathToFileURL } from "node:url";
import { DEFAULT_ACK_PREFIX } from "@acktor/shared/protocol/topics";
import { BENCH_ENV, Bench } from "../controls/bench.ts";
import { makePacketRule } from "../proxy/packet-rules.ts";
import { builtLab, REPOSITORY } from "../world/built.ts";
import { becomesTrue } from "../world/until.ts";
import { startWorld, type World } from "../world/world.ts";
import { CRASH_AT } from "./crash-hook.ts";
import { CRASH_POINTS, type CrashPoint } from "./crash-points.ts";

const REACHED_LIMIT_MS = 10_000;
const BEFORE = 30;
const AFTER = 10;

export async function crashCommand({ only = "" }: { readonly only?: string }, signal: AbortSignal): Promise<number> {
  const begin = performance.now();
  const world = await startWorld({ env: BENCH_ENV, withoutNats: true });
  const bench = new Bench(world, REPOSITORY);
  const points = CRASH_POINTS.filter(({ service, name }) => `${service}: ${name}`.includes(only));
  let good = 0;
  try {
    for (const point of points) {
      if (signal.aborted) break;
      const findings = await tryPoint(bench, point);
      if (findings.length === 0) good++;
      console.log(`${findings.length === 0 ? "passed" : "FAILED"}  ${point.service}: ${point.name}`);
      for (const finding of findings) console.log(`  ${finding}`);
    }
  } finally {
    await world.stop();
  }
  console.log(`${good}/${points.length} crash points in ${((performance.now() - begin) / 1_000).toFixed(0)} s`);
  if (signal.aborted) return 130;
  return good === points.length ? 0 : 1;
}

/** @returns what is wrong */
export async function tryPoint(bench: Bench, point: CrashPoint): Promise<string[]> {
  const { world } = bench;
  const unit = world.units[point.service];
  await unit.stop();
  unit.setEnv(crashEnvironment(point));
  await unit.start();
  const killed = await reach(bench, world, point);
  unit.setEnv({});
  await unit.kill();
  await unit.start();
  await bench.traffic(AFTER);
  await bench.drained();
  const findings = await bench.findings();
  return killed ? findings : ["the point was not reached", ...findings];
}

/** Traffic, and what else it takes, until the service has killed itself. */
async function reach(bench: Bench, world: World, { service, needs }: CrashPoint): Promise<boolean> {
  const unit = world.units[service];
  const line = world.lines["acker.mqtt"];
  if (needs === "lost acks") {
    const fault = { packet: "publish", direction: "to_server", topicUnder: DEFAULT_ACK_PREFIX, fate: "lose" } as const;
    line.setRule(makePacketRule([fault], bench.random));
  }
  await bench.traffic(BEFORE, { limitMs: 2_000 });
  if (needs === "SIGTERM") await unit.stop();
  await becomesTrue(() => !unit.running(), REACHED_LIMIT_MS);
  line.setRule(null);
  return unit.lastEnd() === "SIGKILL";
}

function crashEnvironment({ service, name }: CrashPoint): Record<string, string> {
  const hook = pathToFileURL(builtLab("crash/crash-hook.js")).href;
  return { NODE_OPTIONS: `--import ${hook}`, [CRASH_AT]: `${service}: ${name}` };
}
