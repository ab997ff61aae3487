/** The commands `chaos list` and `chaos run`. */
import { writeFile } from "node:fs/promises";
import { printable } from "@acktor/shared/runtime/printable";
import type { ChaosIo } from "./define-chaos.ts";
import { type BrokerRoom, makeBrokerRoom } from "./netns/broker-room.ts";
import { isApart, isInside, type NamespaceKind, runInside, whyNot } from "./netns/own-namespace.ts";
import { injectByPacketFilter } from "./netns/packet-filter.ts";
import { htmlReport } from "./report/html-report.ts";
import { junitXml } from "./report/junit.ts";
import { progressLine } from "./report/progress-line.ts";
import { reasonLines, summaryTable } from "./report/summary-table.ts";
import { type ChaosTexts, chaosTexts } from "./report/texts.ts";
import { injectByProxy } from "./run/inject.ts";
import type { ScenarioResult } from "./run/result.ts";
import { runScenario } from "./run/run-scenario.ts";
import { findScenario, SCENARIOS } from "./scenarios/catalog.ts";
import { lastEnd, type Scenario, scheduleOf } from "./scenarios/scenario.ts";
import { findProgram } from "./world/child.ts";
import { LabFailure } from "./world/lab-failure.ts";
import { whyNoDisk } from "./world/small-disk.ts";

const EXIT = { passed: 0, failed: 1, usage: 2, interrupted: 130 };

export interface ListCommandOptions {
  readonly seed: number;
  readonly json?: boolean;
  readonly lang?: string;
}

export function listScenarios({ json = false, seed, lang }: ListCommandOptions, host: ChaosIo): number {
  const texts = chaosTexts(lang, host.env);
  if (json) {
    const list = SCENARIOS.map((scenario) => ({ ...scenario, faults: scheduleOf(scenario, seed) }));
    host.stdout.json(list);
    return EXIT.passed;
  }
  const width = Math.max(...SCENARIOS.map(({ name }) => name.length));
  for (const scenario of SCENARIOS) {
    const seconds = (lastEnd(scheduleOf(scenario, seed)) / 1_000).toFixed(0).padStart(3);
    host.stdout.say(`${scenario.name.padEnd(width)}  ${texts.seconds(seconds)}  ${scenario.title[texts.language]}`);
  }
  return EXIT.passed;
}

export interface RunCommandOptions {
  readonly seed: number;
  readonly messages?: number;
  readonly driver: "proxy" | "netns";
  readonly report?: string;
  readonly junit?: string;
  readonly json?: boolean;
  readonly lang?: string;
}

export async function runChaos(name: string, options: RunCommandOptions, host: ChaosIo): Promise<number> {
  const texts = chaosTexts(options.lang, host.env);
  const scenarios = choose(name, texts, host);
  if (scenarios === null) return EXIT.usage;
  const missing = options.driver === "netns" && !isInside() ? whyNot() : null;
  if (missing !== null) {
    host.stderr.say(`${texts.needsRoot} (${missing})`);
    return EXIT.usage;
  }
  const kinds = namespacesFor(scenarios, options);
  if (kinds.length > 0) return runInside(kinds, ["chaos", "run", name, ...flagsOf(options)]);
  const room = options.driver === "netns" ? await makeBrokerRoom() : null;
  try {
    return await runAll(scenarios, options, texts, host, room);
  } finally {
    await room?.stop();
  }
}

/** The namespaces that are needed and possible, and that this process does not have yet. */
function namespacesFor(scenarios: readonly Scenario[], { driver }: RunCommandOptions): NamespaceKind[] {
  const kinds: NamespaceKind[] = [];
  if (driver === "netns" && !isInside()) kinds.push("net");
  const wantsDisk = scenarios.some(({ needs }) => needs === "disk");
  if (wantsDisk && !isApart("mnt") && whyNoDisk() === null) kinds.push("mnt");
  return kinds;
}

function flagsOf({ seed, messages, driver, report: html, junit, json = false, lang }: RunCommandOptions): string[] {
  const flags = Object.entries({ seed, messages, driver, report: html, junit, lang }).flatMap(([flag, value]) => {
    return value === undefined ? [] : [`--${flag}`, String(value)];
  });
  return json ? [...flags, "--json"] : flags;
}

async function runAll(
  scenarios: readonly Scenario[],
  options: RunCommandOptions,
  texts: ChaosTexts,
  host: ChaosIo,
  room: BrokerRoom | null,
): Promise<number> {
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios) {
    if (host.signal.aborted) break;
    const result = await runOne(scenario, options, texts, host, room);
    results.push(result);
    if (options.json) host.stdout.json({ ...result, samples: undefined });
    else host.stderr.say(`${texts.outcomes[result.outcome]}  ${result.scenario}`);
  }
  await report(results, options, texts, host);
  if (host.signal.aborted) return EXIT.interrupted;
  return results.every(({ outcome }) => outcome === "passed" || outcome === "not possible") ? EXIT.passed : EXIT.failed;
}

function choose(name: string, texts: ChaosTexts, host: ChaosIo): readonly Scenario[] | null {
  if (name === "all") {
    const usable: Scenario[] = [];
    for (const scenario of SCENARIOS) {
      const missing = missingFor(scenario);
      if (missing === null) usable.push(scenario);
      else host.stderr.say(texts.left(scenario.name, missing));
    }
    return usable;
  }
  const found = findScenario(name);
  if (found !== null) return [found];
  host.stderr.say(texts.unknownScenario(printable(name, 100), SCENARIOS.map((scenario) => scenario.name).join(", ")));
  return null;
}

/** What the scenario needs and this machine does not have; null when the scenario can run. */
function missingFor({ needs }: Scenario): string | null {
  if (needs === "nats" && findProgram("nats-server") === null) return "nats-server";
  return needs === "disk" ? whyNoDisk() : null;
}

async function runOne(
  scenario: Scenario,
  { seed, messages = 0 }: RunCommandOptions,
  texts: ChaosTexts,
  host: ChaosIo,
  room: BrokerRoom | null,
): Promise<ScenarioResult> {
  const line = progressLine(host.stderr, texts);
  try {
    return await runScenario(scenario, {
      seed,
      messages: messages === 0 ? null : messages,
      ...(room === null
        ? { inject: injectByProxy }
        : { inject: injectByPacketFilter, world: { brokerPlace: room, broker: "mosquitto" } }),
      signal: host.signal,
      onProgress: (progress) => line.show(scenario.name, progress),
    });
  } catch (error) {
    if (!(error instanceof LabFailure)) throw error;
    throw new LabFailure(`${scenario.name}: ${error.message}`);
  } finally {
    line.clear();
  }
}

async function report(
  results: readonly ScenarioResult[],
  options: RunCommandOptions,
  texts: ChaosTexts,
  host: ChaosIo,
): Promise<void> {
  const { report: htmlFile, junit: junitFile, json = false } = options;
  if (!json && results.length > 0) {
    const lines = [summaryTable(results, texts), ...reasonLines(results, texts)];
    const passed = results.filter(({ outcome }) => outcome === "passed").length;
    host.stdout.say(`\n${lines.join("\n")}\n${texts.passed(passed, results.length)}`);
  }
  if (htmlFile !== undefined) {
    await writeFile(htmlFile, htmlReport(results, texts, new Date()));
    host.stderr.say(texts.reportWritten(htmlFile));
  }
  if (junitFile !== undefined) await writeFile(junitFile, junitXml(results));
}
