/**
 * The command `crash-points`: a service is killed at each named point of a message's life, started again, and judged. Then
 * each line is cut at each message of a life.
 * Exit codes: 0 passed, 1 something is wrong or a point was not reached, 130 interrupted.
 */

import { pathToFileURL } from "node:url";
import { DEFAULT_ACK_PREFIX } from "@acktor/shared/protocol/topics";
import { standardOutput } from "@acktor/shared/runtime/terminal-door";
import { BENCH_ENV, Bench } from "../controls/bench.ts";
import { makePacketRule } from "../proxy/packet-rules.ts";
import { builtLab, REPOSITORY } from "../world/built.ts";
import { becomesTrue } from "../world/until.ts";
import { startWorld, type World } from "../world/world.ts";
import { CRASH_AT } from "./crash-hook.ts";
import { CRASH_POINTS, type CrashPoint } from "./crash-points.ts";
import { nameOfWalk, WALKS, walkLife } from "./walk-life.ts";

const REACHED_LIMIT_MS = 10_000;
const HANDLED_LIMIT_MS = 60_000;
const BEFORE = 30;
const AFTER = 10;

export async function crashCommand({ only = "" }: { readonly only?: string }, signal: AbortSignal): Promise<number> {
  const begin = performance.now();
  const world = await startWorld({ env: BENCH_ENV, withoutNats: true, inspectsDatabase: true });
  const bench = new Bench(world, REPOSITORY);
  const points = CRASH_POINTS.filter((point) => nameOf(point).includes(only));
  const walks = WALKS.filter((walk) => nameOfWalk(walk).includes(only));
  let good = 0;
  const report = (name: string, findings: readonly string[]): void => {
    if (findings.length === 0) good++;
    standardOutput.say(`${findings.length === 0 ? "passed" : "FAILED"}  ${name}`);
    for (const finding of findings) standardOutput.say(`  ${finding}`);
  };
  try {
    for (const point of points) if (!signal.aborted) report(nameOf(point), await tryPoint(bench, point));
    for (const walk of walks) {
      if (signal.aborted) break;
      const { cuts, findings } = await walkLife(bench, walk, signal);
      report(`${nameOfWalk(walk)}: each of ${cuts} in turn`, findings);
    }
  } finally {
    await world.stop();
  }
  const all = points.length + walks.length;
  standardOutput.say(
    `${good}/${all} (${points.length} crash points, ${walks.length} walks along a life) in ${((performance.now() - begin) / 1_000).toFixed(0)} s`,
  );
  if (signal.aborted) return 130;
  return good === all ? 0 : 1;
}

function nameOf({ service, name }: CrashPoint): string {
  return `${service}: ${name}`;
}

/** @returns the findings */
export async function tryPoint(bench: Bench, point: CrashPoint): Promise<string[]> {
  const { world } = bench;
  const unit = world.units[point.service];
  await unit.stop();
  const env = point.needs === "a handler" ? { ACKTOR_HANDLER: "log" } : {};
  unit.setEnv({ ...env, ...crashEnvironment(point) });
  await unit.start();
  const killed = await reach(bench, world, point);
  unit.setEnv(env);
  await unit.kill();
  await unit.start();
  await bench.traffic(AFTER);
  // The messages of a dead process are free after their lease of 15 s, and are sent again some time later.
  await bench.drained(point.needs === "a handler" ? HANDLED_LIMIT_MS : undefined);
  unit.setEnv({});
  const findings = await bench.findings();
  return killed ? findings : ["the point was not reached", ...findings];
}

/** Makes traffic, and what else the point needs, until the service has killed itself. */
async function reach(bench: Bench, world: World, { service, needs }: CrashPoint): Promise<boolean> {
  const unit = world.units[service];
  const line = world.lines["acker.mqtt"];
  if (needs === "lost acks") {
    const fault = { packet: "publish", direction: "to_server", topicUnder: DEFAULT_ACK_PREFIX, fate: "lose" } as const;
    line.setRule(makePacketRule([fault], bench.random));
  }
  if (needs === "short lives") await bench.sendShortLived(AFTER);
  else await bench.traffic(BEFORE, { limitMs: 2_000 });
  if (needs === "SIGTERM") await unit.stop();
  await becomesTrue(() => !unit.running(), REACHED_LIMIT_MS);
  line.setRule(null);
  return unit.lastEnd() === "SIGKILL";
}

function crashEnvironment(point: CrashPoint): Record<string, string> {
  const hook = pathToFileURL(builtLab("crash/crash-hook.js")).href;
  return { NODE_OPTIONS: `--import ${hook}`, [CRASH_AT]: nameOf(point) };
}
