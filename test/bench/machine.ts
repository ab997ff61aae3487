/** What the figures were measured on; no names of hosts or people. */
import { execFileSync } from "node:child_process";
import os from "node:os";

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** Others' work on this machine when the run began; above some tenths, figures are too low. */
  readonly loadBefore: number;
}

export function describeMachine(): Machine {
  const cpus = os.cpus();
  return {
    cores: cpus.length,
    cpu: cpus[0]?.model.trim() ?? "unknown",
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release().split("-")[0]} ${os.arch()}`,
    node: process.version,
    loadBefore: Math.round((os.loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** The commit that was measured, with a + when files were changed since; null outside of git. */
export function describeCommit(root: string): string | null {
  const git = (...args: string[]): string => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  try {
    const changed = git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "+";
    return `${git("rev-parse", "--short", "HEAD")}${changed}`;
  } catch (error) {
    console.error(`the commit is not known: ${(error as Error).message.split("\n")[0]}`);
    return null;
  }
}
