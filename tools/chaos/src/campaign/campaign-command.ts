/** The command `campaign`. Exit codes: 0 passed, 1 something is wrong or a fault hit nothing, 130 interrupted. */

import { mkdtemp } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { standardOutput } from "@acktor/shared/runtime/terminal-door";
import { isApart, runInside } from "../netns/own-namespace.ts";
import { describeMachine } from "../report/machine.ts";
import { whyNoDisk } from "../world/small-disk.ts";
import { PROFILES, type Profile } from "./profiles.ts";
import { runCampaign } from "./run-campaign.ts";

/** A disk of the lab is a tmpfs, so all data of a long campaign are in memory. */
const LEAST_MEMORY = 8 * 2 ** 30;

export interface CampaignCommandOptions {
  readonly profile: Profile["name"];
  readonly seed: number;
  /** `inbox`: the inbox row is the effect. `log`: a handler runs under leases. */
  readonly handler: "inbox" | "log";
  readonly history?: string;
}

export async function campaignCommand(options: CampaignCommandOptions, signal: AbortSignal): Promise<number> {
  const folder = options.history === undefined ? await mkdtemp(path.join(os.tmpdir(), "acktor-history-")) : "";
  const historyFile = options.history ?? path.join(folder, "history.jsonl");
  const { profile: name, seed, handler } = options;
  if (PROFILES[name].fullDisks > 0 && !isApart("mnt")) {
    const missing = os.totalmem() < LEAST_MEMORY ? "less than 8 GiB of memory" : whyNoDisk();
    const flags = ["--profile", name, "--seed", String(seed), "--handler", handler, "--history", historyFile];
    if (missing === null) return runInside(["mnt"], ["campaign", ...flags]);
    standardOutput.say(`left out      PostgreSQL out of disk: ${missing}`);
  }
  standardOutput.say(
    `campaign ${name}, seed ${seed}, handler ${handler}, ${describeMachine()}\nhistory       ${historyFile}`,
  );
  const end = await runCampaign({
    profile: PROFILES[name],
    seed,
    handler,
    historyFile,
    signal,
    say: (line) => standardOutput.say(line),
  });
  for (const fault of end.missed) standardOutput.say(`not injected  ${fault}`);
  const passed = end.checkerExit === 0 && end.missed.length === 0;
  standardOutput.say(`${passed ? "passed" : "FAILED"} in ${(end.durationMs / 1_000).toFixed(0)} s`);
  if (signal.aborted) return 130;
  return passed ? 0 : 1;
}
