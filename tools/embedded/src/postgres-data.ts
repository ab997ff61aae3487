/**
 * The data folder: makes it once, and checks that no server uses it.
 *
 *   <home>/data          the cluster        <home>/password   of the superuser `acktor`, mode 0600
 *   <home>/lib           links to libraries <home>/url        the whole connection string, mode 0600
 *   <home>/postgres.log  warnings and errors of the server
 *   <home>/owner.json    the process that started the running server
 *
 * Invariants:
 *  DATA-1. `data` appears complete or not at all: it is made next to its place and renamed.
 *  DATA-2. Two servers never run on one cluster. PostgreSQL's lock file decides; it is removed only when it names a process that
 *     is not a server on this data, and after every process that works in the folder has exited.
 *  DATA-3. Only a server whose starter is dead is stopped; a server of another live process is left running.
 */
import { randomBytes } from "node:crypto";
import { chmod, lchown, readdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fail, fileFailure, type Outcome, succeed } from "./failure.ts";
import { makeFolder } from "./make-folder.ts";
import { invoke, type Launcher } from "./postgres-launcher.ts";
import { findProcess, processesIn } from "./process-table.ts";
import type { Narrator } from "./progress.ts";
import { runCommand } from "./run-command.ts";

export const SUPERUSER = "acktor";

export interface Home {
  readonly folder: string;
  readonly data: string;
  readonly libraries: string;
  readonly passwordFile: string;
  readonly urlFile: string;
  readonly logFile: string;
  readonly ownerFile: string;
}

export function homeAt(folder: string): Home {
  const home = path.resolve(folder);
  const at = (name: string): string => path.join(home, name);
  return {
    folder: home,
    data: at("data"),
    libraries: at("lib"),
    passwordFile: at("password"),
    urlFile: at("url"),
    logFile: at("postgres.log"),
    ownerFile: at("owner.json"),
  };
}

/** Makes the folder, readable by its owner alone. */
export async function makeHome(home: Home): Promise<Outcome<null>> {
  try {
    await makeFolder(home.folder);
    await chmod(home.folder, 0o700);
    return succeed(null);
  } catch (error) {
    return fileFailure(error, home.folder);
  }
}

/** Which process started which server. */
interface Owner {
  readonly owner: number;
  readonly postmaster: number;
}

const ORPHAN_STOP_MS = 20_000;
const LEFTOVER_MS = 10_000;
const POLL_MS = 25;

/** Makes sure that no server uses the data: stops an orphan, fails next to a live one. */
export async function claimData(home: Home, narrator: Narrator): Promise<Outcome<null>> {
  const pid = await lockedBy(home);
  if (pid === null) return succeed(null);
  const data = await realpath(home.data);
  const running = async (): Promise<boolean> => isServer(pid, data);
  if (await running()) {
    if (!(await isOrphan(home, pid))) return inUse(home, pid); // DATA-3
    narrator.say(`a PostgreSQL of a killed run (process ${pid}) still uses the data: stopping it`);
    stopQuietly(pid);
    if (!(await until(async () => !(await running()), ORPHAN_STOP_MS))) return inUse(home, pid);
  }
  if (!(await until(async () => (await processesIn(data)).length === 0, LEFTOVER_MS))) {
    const [left] = await processesIn(data);
    return inUse(home, left ?? pid);
  }
  await rm(path.join(home.data, "postmaster.pid"), { force: true }); // DATA-2
  return succeed(null);
}

function inUse(home: Home, pid: number): Outcome<never> {
  return fail(
    "in-use",
    `The data in ${home.folder} is in use by another PostgreSQL (process ${pid}).`,
    `stop the other acktor, or end it by \`kill -INT ${pid}\`, or set ACKTOR_DATA_DIR to another folder`,
  );
}

async function lockedBy(home: Home): Promise<number | null> {
  const text = await readFile(path.join(home.data, "postmaster.pid"), "utf8").catch(() => "");
  const pid = Number.parseInt(text, 10);
  return pid > 0 ? pid : null;
}

async function isServer(pid: number, data: string): Promise<boolean> {
  const info = await findProcess(pid);
  if (info === null) return false;
  return info.directory === null ? info.command.includes("postgres") : info.directory === data;
}

/** True when we started it and the one of us who did is gone: its parent is no longer that process. */
async function isOrphan(home: Home, pid: number): Promise<boolean> {
  const text = await readFile(home.ownerFile, "utf8").catch(() => "null");
  const owner = parseOwner(text);
  const info = await findProcess(pid);
  if (info === null) return true;
  return owner !== null && owner.postmaster === pid && info.parent !== owner.owner;
}

function parseOwner(text: string): Owner | null {
  try {
    return JSON.parse(text) as Owner | null;
  } catch {
    return null; // cut off while it was written: nothing is known, so nothing is stopped
  }
}

export async function recordOwner(home: Home, postmaster: number): Promise<void> {
  const owner: Owner = { owner: process.pid, postmaster };
  await writeFile(home.ownerFile, JSON.stringify(owner));
}

function stopQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGINT");
  } catch (error) {
    // It ended between the look and the signal, or it is not ours to stop: the wait that follows tells which.
    if (!["ESRCH", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

async function until(condition: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return true;
}

export interface InitOptions {
  readonly home: Home;
  readonly launcher: Launcher;
  readonly signal?: AbortSignal | undefined;
}

/** The major version of the cluster in the folder; null when there is none. */
export async function dataVersion(home: Home): Promise<number | null> {
  const text = await readFile(path.join(home.data, "PG_VERSION"), "utf8").catch(() => "");
  const major = Number.parseInt(text, 10);
  return Number.isNaN(major) ? null : major;
}

/** Makes a cluster where there is none. */
export async function initialise({ home, launcher, signal }: InitOptions): Promise<Outcome<null>> {
  try {
    await removeLeftovers(home);
    await makePassword(home, launcher);
  } catch (error) {
    return fileFailure(error, home.folder);
  }
  const fresh = `${home.data}.new-${process.pid}`;
  const args = ["-D", fresh, "-U", SUPERUSER, "-A", "scram-sha-256", `--pwfile=${home.passwordFile}`];
  const command = invoke(launcher, "initdb", [...args, ...localeOptions(launcher.major), "--no-instructions"]);
  const result = await runCommand({ ...command, env: launcher.env, cwd: home.folder, timeoutMs: 120_000, signal });
  if (result.code === 0) {
    await rename(fresh, home.data); // DATA-1
    return succeed(null);
  }
  await rm(fresh, { recursive: true, force: true });
  if (signal?.aborted) return fail("stopped", "Stopped while starting.", "start again");
  return explainOutput(result.output, home);
}

/** UTF-8, sorted by code point, the same on every system. */
function localeOptions(major: number): string[] {
  const builtin = major >= 17 ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] : [];
  return ["-E", "UTF8", "--locale=C", ...builtin];
}

async function makePassword(home: Home, launcher: Launcher): Promise<void> {
  await rm(home.passwordFile, { force: true });
  await writeFile(home.passwordFile, randomBytes(24).toString("hex"), { mode: 0o600 });
  if (launcher.owner !== null) await lchown(home.passwordFile, launcher.owner.uid, launcher.owner.gid);
}

/** Half-made clusters of runs that were killed in initdb. */
async function removeLeftovers(home: Home): Promise<void> {
  for (const name of await readdir(home.folder)) {
    const pid = /^data\.new-(\d+)$/.exec(name)?.[1];
    if (pid === undefined || (Number(pid) !== process.pid && (await findProcess(Number(pid))) !== null)) continue;
    await rm(path.join(home.folder, name), { recursive: true, force: true });
  }
}

/** Gives every file of the cluster to the user that will serve it; only root can, and only root needs to. */
export async function handOver(home: Home, launcher: Launcher): Promise<void> {
  const { owner } = launcher;
  if (owner === null) return;
  const names = await readdir(home.data, { recursive: true });
  for (const name of ["", ...names]) await lchown(path.join(home.data, name), owner.uid, owner.gid);
  await lchown(home.passwordFile, owner.uid, owner.gid);
}

/** What PostgreSQL's last words mean. */
export function explainOutput(output: string, home: Home): Outcome<never> {
  const last = output.trim().split("\n").slice(-4).join("\n  ");
  if (/No space left on device|Disk quota exceeded/.test(output)) {
    return fail("disk-full", `No space is left for ${home.folder}.`, "free some space, or set ACKTOR_DATA_DIR");
  }
  if (/lock file "?.*postmaster\.pid"? already exists|shared memory block .* still in use/s.test(output)) {
    return fail(
      "in-use",
      `The data in ${home.folder} is in use.\n  ${last}`,
      "stop the other acktor, or set ACKTOR_DATA_DIR",
    );
  }
  if (/Permission denied|wrong ownership|invalid permissions|Read-only file system/.test(output)) {
    return fail(
      "not-writable",
      `PostgreSQL may not use ${home.folder}.\n  ${last}`,
      "start as the user who made the folder, or set ACKTOR_DATA_DIR to a folder of your own",
    );
  }
  return fail("refused", `PostgreSQL did not start.\n  ${last || "(it said nothing)"}`, `see ${home.logFile}`);
}
