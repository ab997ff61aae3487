/**
 * The user and the wrappers of PostgreSQL's programs.
 *
 * PostgreSQL refuses user 0. So as root, in this order:
 *  - data that belongs to another user is served as that user;
 *  - in a user namespace in which this process has an ordinary account: nothing is created, and folders of root
 *    (/root is 0700) stay accessible, because to the system the process is still root;
 *  - where namespaces are refused (containers, hardened kernels): as an account that exists, if need be with the one
 *    capability that lets it pass 0700 folders.
 * `setpriv --pdeathsig` is last, next to the program, so that no other wrapper's change of credentials can
 * clear it: when this process is killed by -9, the server gets SIGINT (a fast, clean shutdown) from the kernel.
 *
 * Nothing is assumed about wrappers: each candidate must run `postgres --version` in the data folder, and the first that
 * can is taken.
 */
import { lchown, readFile, rm, stat } from "node:fs/promises";
import path from "node:path";
import { fail, type Outcome, succeed } from "./failure.ts";
import type { Binaries } from "./postgres-binaries.ts";
import { runCommand } from "./run-command.ts";

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** One way to run a program as a user. */
interface Candidate {
  readonly wrappers: readonly string[];
  /** Set when Node itself changes the user. */
  readonly spawnAs: Account | null;
  /** Required owner of the data; null = the current user. */
  readonly owner: Account | null;
}

export interface Launcher extends Candidate {
  readonly major: number;
  readonly bin: string;
  readonly env: Readonly<Record<string, string>>;
}

/** What to hand to `spawn`. */
export interface Invocation {
  readonly file: string;
  readonly args: readonly string[];
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

const ROOT: Account = { uid: 0, gid: 0 };
const DEATH_SIGNAL = ["setpriv", "--pdeathsig", "INT"];

export interface LauncherOptions {
  readonly binaries: Binaries;
  /** Folder of the libraries' links, made by `linkLibraries`. */
  readonly libraries: string | null;
  /** Existing folder that the server will write to. */
  readonly home: string;
  /** Folder of an existing cluster, which may not be there yet. */
  readonly data: string;
  readonly signal?: AbortSignal | undefined;
}

/** Finds the first way that works here. As root, gives `home` to the user that PostgreSQL will run as. */
export async function chooseLauncher(options: LauncherOptions): Promise<Outcome<Launcher>> {
  const { binaries, libraries, home } = options;
  const env = childEnvironment(libraries, home);
  let output = "";
  for (const candidate of await candidates(options.data)) {
    if (candidate.owner !== null) await lchown(home, candidate.owner.uid, candidate.owner.gid);
    const script = 'cd "$1" && : > .probe && exec "$2" --version';
    const probe = invocation(candidate, "/bin/sh", ["-c", script, "sh", home, path.join(binaries.bin, "postgres")]);
    const result = await runCommand({ ...probe, env, cwd: "/", timeoutMs: 10_000, signal: options.signal });
    await rm(path.join(home, ".probe"), { force: true });
    const version = /\(PostgreSQL\) (\d+)/.exec(result.output)?.[1];
    if (result.code === 0 && version !== undefined) {
      return succeed({ ...candidate, major: Number(version), bin: binaries.bin, env });
    }
    output = result.output;
  }
  if (options.signal?.aborted) return fail("stopped", "Stopped while starting.", "start again");
  return fail(
    "refused",
    `PostgreSQL's programs in ${binaries.bin} do not run here: ${output.trim().slice(-400) || "no output"}`,
    "start as an ordinary user on a system with glibc, or set DATABASE_URL to a PostgreSQL of your own (15 to 18)",
  );
}

/** The command line that runs one of PostgreSQL's programs. */
export function invoke(launcher: Launcher, program: "postgres" | "initdb", args: readonly string[]): Invocation {
  return invocation(launcher, path.join(launcher.bin, program), args);
}

function invocation(candidate: Candidate, program: string, args: readonly string[]): Invocation {
  const [file = program, ...rest] = [...candidate.wrappers, program, ...args];
  return { file, args: rest, uid: candidate.spawnAs?.uid, gid: candidate.spawnAs?.gid };
}

/** Nothing of ours leaks in: PGDATA, PGPORT or a German locale would change what the programs do and say. */
function childEnvironment(libraries: string | null, home: string): Record<string, string> {
  const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: home, LC_ALL: "C" };
  if (libraries === null) return env;
  const variable = process.platform === "darwin" ? "DYLD_LIBRARY_PATH" : "LD_LIBRARY_PATH";
  return { ...env, [variable]: libraries };
}

async function candidates(data: string): Promise<Candidate[]> {
  if (process.getuid?.() !== 0) {
    return [DEATH_SIGNAL, []].map((wrappers) => ({ wrappers, spawnAs: null, owner: null }));
  }
  const owner = await ownerOf(data);
  if (owner !== null && owner.uid !== 0) return asAccount(owner);
  const account = await someAccount();
  return [...inNamespace(account), ...asAccount(account)];
}

function inNamespace({ uid, gid }: Account): Candidate[] {
  const namespace = ["unshare", "--user", `--map-user=${uid}`, `--map-group=${gid}`];
  return [[...namespace, ...DEATH_SIGNAL], namespace].map((wrappers) => ({ wrappers, spawnAs: null, owner: ROOT }));
}

function asAccount(owner: Account): Candidate[] {
  const change = [...DEATH_SIGNAL, `--reuid=${owner.uid}`, `--regid=${owner.gid}`, "--clear-groups"];
  const passing = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"];
  return [
    { wrappers: change, spawnAs: null, owner },
    { wrappers: [...change, ...passing], spawnAs: null, owner },
    { wrappers: [], spawnAs: owner, owner },
  ];
}

async function ownerOf(data: string): Promise<Account | null> {
  return stat(data).catch(() => null);
}

/** An ordinary account: initdb looks its user up by number, and fails when there is none. */
async function someAccount(): Promise<Account> {
  const lines = (await readFile("/etc/passwd", "utf8").catch(() => "")).split("\n").map((line) => line.split(":"));
  const accounts = lines.map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
  const ordinary = accounts.filter(({ uid }) => uid > 0);
  const preferred = ["postgres", "nobody", "daemon"].map((name) => ordinary.find((account) => account.name === name));
  return preferred.find((account) => account !== undefined) ?? ordinary[0] ?? { uid: 65_534, gid: 65_534 };
}
