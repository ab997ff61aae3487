/**
 * `docker compose exec chaos fault`: breaks the line to the broker while it sends messages, and reports what happened to
 * them.
 *
 *   fault list
 *   fault NAME | all [--rate 50] [--lang en|ja]
 *
 * Exit codes: 0 nothing was lost, 1 a message was lost or the link did not recover, 2 wrong usage, 3 a part is unreachable,
 * 130 interrupted.
 */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { LINE_SCENARIOS } from "@acktor/chaos/run/run-line-faults";
import { standardError, standardOutput } from "@acktor/shared/runtime/terminal-door";
import { chooseFaultTexts } from "./fault-texts.ts";
import { describeTrial, type Trial, tryFault } from "./try-fault.ts";

const EXIT = { done: 0, failed: 1, usage: 2, away: 3, interrupted: 130 } as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rate: { type: "string", default: "50" },
    lang: { type: "string", default: "" },
    publisher: { type: "string", default: "publisher:8080" },
  },
});
const texts = chooseFaultTexts(values.lang, process.env);
const [name = ""] = positionals;
const rate = /^\d{1,4}$/.test(values.rate) ? Number(values.rate) : 0;
const chosen = LINE_SCENARIOS.filter((scenario) => name === "all" || scenario.name === name);
/** A topic of the first filter. */
const topic = (process.env["FAULT_TOPICS"] ?? "demo/#").split(",")[0]?.trim().replace(/[+#]/g, "chaos") ?? "";
const stopping = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopping.abort());

process.exitCode = await main();

async function main(): Promise<number> {
  if (name === "list") {
    for (const scenario of LINE_SCENARIOS) say(`${scenario.name.padEnd(12)} ${scenario.title[texts.lang]}`);
    return EXIT.done;
  }
  if (chosen.length === 0 || positionals.length > 1 || rate < 1) {
    standardError.write(`${texts.usage}\n`);
    return EXIT.usage;
  }
  const trials: Trial[] = [];
  for (const scenario of chosen) {
    say(`${scenario.name}: ${scenario.title[texts.lang]}`);
    const tried = await tryFault({
      scenario,
      rate,
      api: `http://${values.publisher}`,
      control: `http://127.0.0.1:${process.env["HTTP_PORT"] || 8080}`,
      token: readFileSync("/run/secrets/api-token", "utf8").trim(),
      topic,
      signal: stopping.signal,
    });
    if (stopping.signal.aborted) return EXIT.interrupted;
    if (!tried.ok) {
      standardError.write(`${texts.away[tried.why]}\n`);
      return EXIT.away;
    }
    for (const line of describeTrial(tried.trial, texts)) say(`  ${line}`);
    trials.push(tried.trial);
  }
  return trials.every((trial) => trial.passed) ? EXIT.done : EXIT.failed;
}

function say(line: string): void {
  standardOutput.write(`${line}\n`);
}
