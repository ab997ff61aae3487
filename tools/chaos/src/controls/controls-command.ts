/** The command `controls`: every seeded bug in a copy of the build must be caught, and the copy without it must be clean. */

import path from "node:path";
import { runCommand } from "@acktor/embedded/run-command";
import { standardOutput } from "@acktor/shared/runtime/terminal-door";
import { startWorld } from "../world/world.ts";
import { BENCH_ENV, Bench } from "./bench.ts";
import { BUGS, type Bug } from "./bugs.ts";
import { BuildCopy } from "./build-copy.ts";
import { HANDLER_BUGS } from "./handler-bugs.ts";
import type { Trial } from "./trials.ts";

const SEEDS = 300;
const SIMULATION_LIMIT_MS = 60_000;

export interface ControlsOptions {
  /** Only the bugs with this text in their name. */
  readonly only?: string;
  /** False: the trials do not run on the unchanged build first. */
  readonly clean: boolean;
}

interface Caught {
  readonly bug: Bug;
  readonly caught: boolean;
}

export async function controlsCommand({ only = "", clean }: ControlsOptions, signal: AbortSignal): Promise<number> {
  const begin = performance.now();
  const bugs = [...BUGS, ...HANDLER_BUGS].filter(({ name }) => name.includes(only));
  const copy = await BuildCopy.make();
  const results: Caught[] = [];
  let cleanFaults = 0;
  try {
    for (const bug of bugs) {
      if (signal.aborted) break;
      if (clean) cleanFaults += await tryClean(copy, bug);
      results.push(await tryBug(copy, bug));
    }
  } finally {
    await copy.remove();
  }
  const caught = results.filter((result) => result.caught).length;
  const seconds = ((performance.now() - begin) / 1_000).toFixed(0);
  standardOutput.say(`caught ${caught}/${bugs.length} in ${seconds} s`);
  if (signal.aborted) return 130;
  return caught === bugs.length && cleanFaults === 0 ? 0 : 1;
}

/** @returns the number of findings on the unchanged build: it is faulty, or the trial is */
async function tryClean(copy: BuildCopy, { name, trial }: Bug): Promise<number> {
  if (trial === undefined) return 0;
  const findings = await tryOnce(copy, trial, null, {});
  if (findings.length > 0) standardOutput.say(`FALSE ALARM  ${name}: ${findings[0]}`);
  return findings.length;
}

async function tryBug(copy: BuildCopy, bug: Bug): Promise<Caught> {
  await copy.apply(bug.patches);
  try {
    const byTrial = bug.trial === undefined || (await isCaughtByTrial(copy, bug, bug.trial));
    const bySimulation =
      bug.trial !== undefined && bug.simulated !== true ? true : await isCaughtBySimulation(copy, bug);
    return { bug, caught: byTrial && bySimulation };
  } finally {
    await copy.restore();
  }
}

async function isCaughtByTrial(copy: BuildCopy, bug: Bug, trial: Trial): Promise<boolean> {
  const [first] = await tryOnce(copy, trial, bug.sql ?? null, bug.postgres ?? {});
  standardOutput.say(first === undefined ? `MISSED  ${bug.name}` : `caught  ${bug.name}: ${first}`);
  return first !== undefined;
}

async function isCaughtBySimulation(copy: BuildCopy, { name }: Bug): Promise<boolean> {
  const seed = await simulationFinds(copy);
  standardOutput.say(
    seed === null ? `MISSED by the simulation  ${name}` : `caught by the simulation  ${name}: ${seed}`,
  );
  return seed !== null;
}

/** The first failing seed of the mutated copy's own simulation, or null. */
async function simulationFinds(copy: BuildCopy): Promise<string | null> {
  const program = path.join(copy.root, "tools/chaos/dist/main.js");
  const args = [program, "sim", "--seeds", String(SEEDS)];
  const { output } = await runCommand({ file: process.execPath, args, timeoutMs: SIMULATION_LIMIT_MS });
  return /^seed \d+: .*$/m.exec(output)?.[0] ?? null;
}

async function tryOnce(
  copy: BuildCopy,
  trial: Trial,
  sql: string | null,
  postgres: Readonly<Record<string, string>>,
): Promise<string[]> {
  const world = await startWorld({ env: BENCH_ENV, root: copy.root, postgres, sql, withoutNats: true });
  try {
    return await trial(new Bench(world, copy.root));
  } finally {
    await world.stop();
  }
}
