/**
 * A separate disk for PostgreSQL's data, so that it can really be full: a tmpfs in an unnamed mount namespace, in which the
 * lab runs again. To fill the disk, the lab sets its size to the space in use. Needs root on Linux.
 *
 * Invariants:
 *  SMALL_DISK-1. The mounts of the host do not change: outside of a namespace of the lab, mounting is refused.
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
/** PostgreSQL continues to write between the measurement and the change. */
const MARGIN_BYTES = 64 * 1_024;
const MOST_TRIES = 20;

/** Why the lab cannot mount a disk here: it does not run as root, or a program is missing; null when it can. */
export function whyNoDisk(): string | null {
  return whyNotApart(PROGRAMS);
}

export interface SmallDisk {
  readonly folder: string;
  /** @returns whether the disk refused a write */
  fill(): Promise<boolean>;
  /** Gives the space back. A second call has no effect. */
  empty(): Promise<void>;
  stop(): Promise<void>;
}

/** Makes `folder` and mounts the disk there. */
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

/** Sets the size to the space in use plus a small margin. */
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

/** Fills the margin. @returns whether the disk refused a write */
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
  // SMALL_DISK-1
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
