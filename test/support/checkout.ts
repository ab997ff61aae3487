/** A copy of this checkout, as it is after `git clone` and `npm ci`: nothing is built. */
import { chmod, chown, cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { cleanUp } from "./cleanup.ts";
import { ROOT, run } from "./processes.ts";

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const SOURCES = [
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "tsconfig.base.json",
  "shared",
  "services",
  "tools",
];

export interface CheckoutOptions {
  /** Keeps what was built. */
  readonly built?: boolean;
  /** The owner of the home directory that holds the copy. Default: the current user. */
  readonly owner?: Account;
}

export interface Checkout {
  /** A home of mode 0700. */
  readonly home: string;
  /** The copy in it; its path has a space. */
  readonly folder: string;
}

/** Copies the sources, and links node_modules file by file (their modes and owners are shared with the original). */
export async function copyCheckout(t: TestContext, options: CheckoutOptions = {}): Promise<Checkout> {
  const home = await mkdtemp(path.join(os.tmpdir(), "acktor-home-"));
  cleanUp(t, () => rm(home, { recursive: true, force: true }));
  const folder = path.join(home, "my acktor");
  await mkdir(folder);
  const filter = (source: string): boolean => {
    const name = path.basename(source);
    return name !== "node_modules" && (options.built === true || name !== "dist");
  };
  for (const name of SOURCES) {
    await cp(path.join(ROOT, name), path.join(folder, name), { recursive: true, preserveTimestamps: true, filter });
  }
  const linked = await run(t, "cp", ["-al", path.join(ROOT, "node_modules"), folder]).exited;
  if (linked.code !== 0) throw new Error("node_modules cannot be linked: is the temporary folder on another disk?");
  await chmod(home, 0o700);
  const { owner } = options;
  if (owner !== undefined) for (const place of [home, folder]) await chown(place, owner.uid, owner.gid);
  return { home, folder };
}
