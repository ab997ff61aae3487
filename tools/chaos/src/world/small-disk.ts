/**
 * A disk of the lab's own under PostgreSQL's data, so that it can be full for real: a tmpfs in a mount namespace without a
 * name, in which the whole lab runs again. Full means that its size is set to what is in use. Needs root on Linux.
 *
 * Invariants:
 *  1. The host's mounts stay as they are: mounting is refused outside of a namespace of our own, and the namespace ends
 *     with its last process, also when the lab is killed by -9.
 *  2. `fill` says whether the disk then refused a write.
 */
import { mkdirSync } from "node:fs";
import { open, rm, statfs } from "node:fs/promises";
import path from "node:path";
import { runCommand } from "@acktor/embedded/run-command";
import { isApart, whyNotApart } from "../netns/own-namespace.ts";
import { findProgram } from "./child.ts";
import { LabFailure } from "./lab-failure.ts";

const PROGRAMS = ["mount", "umount"] as const;
const COMMAND_LIMIT_MS = 5_000;
const SIZE = "50%";
const PAGE = 4_096;
/** PostgreSQL writes on between the look and the change. */
const MARGIN_BYTES = 64 * 1_024;
const MOST_TRIES = 20;

/** Why there can be no disk of our own here: not root, or a program that is missing; null when there can. */
export function whyNoDisk(): string | null {
  return whyNotApart(PROGRAMS);
}

export interface SmallDisk {
  readonly folder: string;
  /** @returns whether the disk refused a write */
  fill(): Promise<boolean>;
  /** There is room again. Twice is fine. */
  empty(): Promise<void>;
  stop(): Promise<void>;
}

/** Mounts one on `folder`, which is made. */
export async function mountSmallDisk(folder: string): Promise<SmallDisk> {
  mkdirSync(folder, { recursive: true });
  await mount(["-t", "tmpfs", "-o", `size=${SIZE},mode=0755`, "tmpfs", folder]);
  const filler = path.join(folder, "filler");
  return {
    folder,
    async fill() {
      await shrink(folder);
      return fillUp(filler);
    },
    async empty() {
      await mount(["-o", `remount,size=${SIZE}`, folder]);
      await rm(filler, { force: true });
    },
    stop: () => command("umount", ["--lazy", folder]),
  };
}

/** To what is in use and a little more. */
async function shrink(folder: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { blocks, bfree, bsize } = await statfs(folder);
    const size = (blocks - bfree) * bsize + MARGIN_BYTES;
    try {
      await mount(["-o", `remount,size=${size}`, folder]);
      return;
    } catch (error) {
      if (tries === MOST_TRIES) throw error;
    }
  }
}

/** The little more. */
async function fillUp(filler: string): Promise<boolean> {
  const file = await open(filler, "w");
  try {
    for (let n = 0; n < (2 * MARGIN_BYTES) / PAGE; n++) await file.write(Buffer.alloc(PAGE));
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    return true;
  } finally {
    await file.close();
  }
}

const mount = (args: readonly string[]): Promise<void> => command("mount", args);

async function command(name: (typeof PROGRAMS)[number], args: readonly string[]): Promise<void> {
  if (!isApart("mnt")) throw new LabFailure(`${name} would change the host's mounts: refused`);
  const env = { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  const { code, output } = await runCommand({
    file: findProgram(name) ?? name,
    args,
    env,
    timeoutMs: COMMAND_LIMIT_MS,
  });
  if (code !== 0) throw new LabFailure(`${name} ${args.join(" ")}: ${output.trim()}`);
}
