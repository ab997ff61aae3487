/**
 * The checker, a separate program: `DATABASE_URL=… node check-history.js <history> [least messages]`.
 *
 * It reads the history that the callers wrote, the audit table and the ledger of effects. It asks the services nothing.
 * Exit codes: 0 nothing is wrong, 1 something is wrong, 2 wrong arguments.
 */

import { readFileSync } from "node:fs";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import { standardError, standardOutput } from "@acktor/shared/runtime/terminal-door";
import { findOutOfOrder, judge } from "../check/judge.ts";
import type { Entry } from "../workload/history.ts";
import { LabFailure } from "../world/lab-failure.ts";
import { lossBound, takeAccount } from "./account.ts";
import { judgeAnswers } from "./answers-in-time.ts";
import { POISONED_ACKER } from "./poison.ts";
import { judgeVitals } from "./vitals.ts";

/** How many examples of each kind are shown. */
const EXAMPLES = 5;

export async function checkHistory(pool: Pool, entries: readonly Entry[], leastMessages: number): Promise<boolean> {
  const account = takeAccount(entries);
  const verdict = await judge(pool, { accepted: account.accepted, endsAs: account.endsAs });
  const answered = judgeAnswers(entries);
  const vitals = judgeVitals(entries);
  const kinds: readonly (readonly [name: string, list: readonly string[]])[] = [
    ["lost", verdict.lost],
    ["double", [...verdict.doubleEffects, ...(await findRepeated(pool))]],
    ["illegal", verdict.illegalMoves],
    ["out of order", await findOutOfOrder(pool)],
    [
      "unexpected",
      [
        ...account.unexpected,
        ...answered.wrong,
        ...vitals.wrong,
        ...verdict.ackedWithoutEffect,
        ...verdict.strayEffects,
      ],
    ],
  ];
  // Only poison kills the poisoned acker, so its kills say nothing about losses of other messages.
  const { [POISONED_ACKER]: ofPoison = 0, ...ofPair } = account.kills;
  const kills = Object.values(ofPair).reduce((sum, count) => sum + count, 0);
  const byUnit = Object.entries(ofPair).map(([unit, count]) => `${unit} ${count}`);
  const { ok, refused, unknown, pending } = account.answers;
  standardOutput.say(`kills         ${kills} (${byUnit.join(", ")})`);
  const faults = Object.entries(account.hits).filter(([name]) => !name.startsWith("kill "));
  standardOutput.say(`faults        ${faults.map(([name, hits]) => `${name} ${hits}`).join("; ")}`);
  standardOutput.say(`messages      ${account.accepted.length} accepted of ${account.messages}`);
  standardOutput.say(`answers       ${ok} ok, ${refused} refused, ${unknown} unknown, ${pending} pending`);
  standardOutput.say(`503           ${answered.unavailable}, the slowest after ${answered.slowestUnavailableMs} ms`);
  standardOutput.say(`accepted      ${answered.acceptedMeanwhile} while MQTT, NATS or the acker were broken`);
  standardOutput.say(`poison        ${account.poisoned} messages, which killed their acker ${ofPoison} times`);
  for (const line of vitals.lines) standardOutput.say(line);
  for (const [name, list] of kinds) {
    standardOutput.say(`${name.padEnd(13)} ${list.length}`);
    for (const example of list.slice(0, EXAMPLES)) standardOutput.say(`  ${example}`);
  }
  const lost = kinds[0]?.[1].length ?? 0;
  if (lost === 0) standardOutput.say(`loss per kill below ${(100 * lossBound(kills)).toFixed(2)} % (95 %)`);
  const enough = account.accepted.length >= leastMessages;
  if (!enough) standardOutput.say(`too few messages: ${leastMessages} were expected`);
  return enough && kinds.every(([, list]) => list.length === 0);
}

/** Finds messages of a caller that became several rows. The content of a message begins with its number. */
async function findRepeated(pool: Pool): Promise<string[]> {
  const answer = await pool.run<{ n: string; times: number }>(
    `select split_part(payload, ':', 1) n, count(*)::int4 times from publisher.message_delivery
     group by 1 having count(*) > 1`,
    [],
    { deadlineMs: 30_000 },
  );
  if (!answer.ok) throw new LabFailure(answer.failure.message);
  return answer.rows.map(({ n, times }) => `message ${n} has ${times} rows`);
}

/** Parses the lines of a history. A last line that was cut off is left out. */
export function readHistory(text: string): Entry[] {
  const lines = text.split("\n");
  lines.pop();
  return lines.map((line) => JSON.parse(line) as Entry);
}

async function main(): Promise<number> {
  const [file, least = "0"] = process.argv.slice(2);
  const url = process.env["DATABASE_URL"];
  if (file === undefined || url === undefined) {
    standardError.say("DATABASE_URL=… check-history <history> [least messages]");
    return 2;
  }
  const pool = createPool({ url, size: 2, applicationName: "acktor-checker", deadlineMs: 30_000 });
  try {
    const clean = await checkHistory(pool, readHistory(readFileSync(file, "utf8")), Number(least));
    return clean ? 0 : 1;
  } finally {
    await pool.stop();
  }
}

if (process.argv[1]?.endsWith("check-history.js")) process.exit(await main());
