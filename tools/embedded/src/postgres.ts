/**
 * Runs a real PostgreSQL from npm's binaries (or others), and stops it with this process.
 *
 * Invariants:
 *  POSTGRES-1. It listens on 127.0.0.1 only, with a random password next to the data in a file of mode 0600; it has no Unix
 *     socket (its path may be too long for the system).
 *  POSTGRES-2. It is outside this process group: Ctrl-C reaches this process first, which stops the services before the database.
 *  POSTGRES-3. It stops with this process: by `stop`, by its exit, or by the kernel's signal when it is killed.
 *  POSTGRES-4. Every fault that a user can fix is returned as a failure with its fix; none is thrown.
 *
 * The event loop does not wait for its process: a caller that starts it must stop it, or have other work.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { createPool } from "@acktor/shared/db/pool";
import { fail, fileFailure, type Outcome, succeed } from "./failure.ts";
import { freePort, portIsFree } from "./ports.ts";
import { type Binaries, findBinaries, linkLibraries } from "./postgres-binaries.ts";
import {
  claimData,
  dataVersion,
  explainOutput,
  type Home,
  handOver,
  homeAt,
  initialise,
  makeHome,
  recordOwner,
  SUPERUSER,
} from "./postgres-data.ts";
import { chooseLauncher, invoke, type Launcher } from "./postgres-launcher.ts";
import type { Narrator } from "./progress.ts";

export interface PostgresOptions {
  /** Folder of everything the server keeps; made where it is missing. */
  readonly dataDir: string;
  /** This port and no other. Absent: 5432, or a free one when that is taken. */
  readonly port?: number | undefined;
  readonly narrator: Narrator;
  /** Server settings on top of ours, as `{fsync: "off"}`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Other programs than npm's. */
  readonly binaries?: Binaries;
  /** Ends the start early; what was begun is stopped. */
  readonly signal?: AbortSignal | undefined;
}

export interface PostgresExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface EmbeddedPostgres {
  /** postgres://acktor:…@127.0.0.1:port/acktor */
  readonly url: string;
  readonly port: number;
  /** The postmaster. */
  readonly pid: number;
  /** Resolves when the server has exited. */
  readonly exited: Promise<PostgresExit>;
  /** Fast shutdown; SIGQUIT after 10 s, SIGKILL after 15 s. A second call waits for the first one. */
  stop(): Promise<void>;
}

const STANDARD_PORT = 5432;
const START_LIMIT_MS = 120_000;
const LOG_LIMIT_BYTES = 1_048_576;

/** For a small machine; durable as PostgreSQL is by default. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1", // POSTGRES-1
  unix_socket_directories: "",
  max_connections: "50",
  shared_buffers: "128MB",
  fsync: "on",
  synchronous_commit: "on",
  log_min_messages: "warning",
  log_checkpoints: "off",
};

/** Starts the server on the data of an earlier run, or on new data. */
export async function startPostgres(options: PostgresOptions): Promise<Outcome<EmbeddedPostgres>> {
  const home = homeAt(options.dataDir);
  const launcher = await prepare(options, home);
  if (!launcher.ok) return launcher;
  const port = await choosePort(options);
  if (!port.ok) return port;
  const server = await serve(options, home, launcher.value, port.value);
  if (!server.ok) return server;
  const ready = await makeDatabase(server.value, home);
  if (ready.ok && !options.signal?.aborted) return server;
  await server.value.stop();
  return ready.ok ? fail("stopped", "Stopped while starting.", "start again") : ready;
}

/** Makes or finds the cluster. */
async function prepare(options: PostgresOptions, home: Home): Promise<Outcome<Launcher>> {
  const { narrator, signal } = options;
  const binaries = options.binaries === undefined ? findBinaries() : succeed(options.binaries);
  if (!binaries.ok) return binaries;
  const made = await makeHome(home);
  if (!made.ok) return made;
  const claimed = await claimData(home, narrator);
  if (!claimed.ok) return claimed;
  try {
    await linkLibraries(binaries.value, home.libraries);
    const libraries = binaries.value.lib === null ? null : home.libraries;
    const place = { home: home.folder, data: home.data };
    const launcher = await chooseLauncher({ binaries: binaries.value, libraries, ...place, signal });
    if (!launcher.ok) return launcher;
    const cluster = await haveCluster(home, launcher.value, options);
    if (!cluster.ok) return cluster;
    await handOver(home, launcher.value);
    return launcher;
  } catch (error) {
    return fileFailure(error, home.folder); // POSTGRES-4
  }
}

async function haveCluster(home: Home, launcher: Launcher, options: PostgresOptions): Promise<Outcome<null>> {
  const found = await dataVersion(home);
  if (found === null) {
    options.narrator.say(`making a new PostgreSQL ${launcher.major} cluster in ${home.folder}`);
    return initialise({ home, launcher, signal: options.signal });
  }
  if (found === launcher.major) return succeed(null);
  return fail(
    "wrong-version",
    `The data in ${home.folder} was made by PostgreSQL ${found}; this one is ${launcher.major}.`,
    "copy it with pg_dump and psql, or set ACKTOR_DATA_DIR to another folder",
  );
}

async function choosePort(options: PostgresOptions): Promise<Outcome<number>> {
  const wanted = options.port ?? STANDARD_PORT;
  if (await portIsFree(wanted)) return succeed(wanted);
  if (options.port !== undefined) return portTaken(options.port);
  const port = await freePort();
  options.narrator.say(`port ${wanted} is taken: PostgreSQL uses ${port}`);
  return succeed(port);
}

function portTaken(port: number): Outcome<never> {
  return fail("port-taken", `Port ${port} of 127.0.0.1 is taken.`, "stop what uses it, or choose another port");
}

/** Runs the server. A chosen port that was taken meanwhile is replaced; a configured one is not. */
async function serve(
  options: PostgresOptions,
  home: Home,
  launcher: Launcher,
  port: number,
): Promise<Outcome<EmbeddedPostgres>> {
  const server = await spawnServer(options, home, launcher, port);
  const outcome = await becomeReady(server, home, options.signal);
  if (outcome.ok) return succeed(server);
  await server.stop();
  if (outcome.failure.kind !== "port-taken") return outcome;
  if (options.port !== undefined) return portTaken(port);
  return serve(options, home, launcher, await freePort());
}

async function spawnServer(
  options: PostgresOptions,
  home: Home,
  launcher: Launcher,
  port: number,
): Promise<EmbeddedPostgres> {
  const settings = Object.entries({ ...SETTINGS, ...options.settings, port: String(port) });
  const args = ["-D", home.data, ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  const { file, args: wrapped, uid, gid } = invoke(launcher, "postgres", args);
  await turnLog(home);
  const log = await open(home.logFile, "a", 0o600);
  const child = spawn(file, wrapped, {
    cwd: home.folder,
    env: launcher.env,
    ...(uid === undefined || gid === undefined ? {} : { uid, gid }),
    detached: true, // POSTGRES-2
    stdio: ["ignore", log.fd, log.fd],
  });
  const exited = new Promise<PostgresExit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: null, signal: null }));
  });
  await log.close();
  child.unref();
  const pid = child.pid ?? 0;
  await recordOwner(home, pid);
  return { url: await connectionUrl(home, port), port, pid, exited, stop: makeStop(child, exited) };
}

/** A log per run; a large one of the previous run is kept. */
async function turnLog(home: Home): Promise<void> {
  const size = await stat(home.logFile).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_LIMIT_BYTES) await rename(home.logFile, `${home.logFile}.1`);
  else await rm(home.logFile, { force: true });
}

async function connectionUrl(home: Home, port: number): Promise<string> {
  const password = (await readFile(home.passwordFile, "utf8").catch(() => "")).trim();
  const url = `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${SUPERUSER}`;
  await writeFile(home.urlFile, `${url}\n`, { mode: 0o600 });
  return url;
}

function makeStop(child: ChildProcess, exited: Promise<PostgresExit>): () => Promise<void> {
  let ended = false;
  let stopping: Promise<void> | null = null;
  const onExit = (): void => {
    child.kill("SIGINT");
  };
  process.once("exit", onExit); // POSTGRES-3
  const gone = exited.then(() => {
    ended = true;
    process.off("exit", onExit);
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGINT");
    const harder = setTimeout(() => child.kill("SIGQUIT"), 10_000);
    const hardest = setTimeout(() => child.kill("SIGKILL"), 15_000);
    await gone;
    clearTimeout(harder);
    clearTimeout(hardest);
  };
  return () => {
    stopping ??= ended ? Promise.resolve() : stop();
    return stopping;
  };
}

/** Waits for the word `ready` in the file in which PostgreSQL writes its state. */
async function becomeReady(server: EmbeddedPostgres, home: Home, signal?: AbortSignal): Promise<Outcome<null>> {
  const state = { exited: false };
  void server.exited.then(() => (state.exited = true));
  const end = performance.now() + START_LIMIT_MS;
  while (!state.exited && !signal?.aborted && performance.now() < end) {
    const lines = (await readFile(path.join(home.data, "postmaster.pid"), "utf8").catch(() => "")).split("\n");
    if (Number(lines[0]) === server.pid && lines[7]?.trim() === "ready") return succeed(null);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if (signal?.aborted) return fail("stopped", "Stopped while starting.", "start again");
  const output = await readFile(home.logFile, "utf8").catch(() => "");
  if (/could not bind .*Address already in use/s.test(output)) return portTaken(server.port);
  return explainOutput(output, home);
}

/** Makes the database named in the URL. At every start this also proves that the password matches the data. */
async function makeDatabase(server: EmbeddedPostgres, home: Home): Promise<Outcome<null>> {
  const url = server.url.replace(/[^/]*$/, "postgres");
  const pool = createPool({ url, size: 1, deadlineMs: 30_000, applicationName: "acktor-embedded" });
  try {
    const found = await pool.run("select 1 from pg_database where datname = $1", [SUPERUSER]);
    if (found.ok && found.rows.length > 0) return succeed(null);
    const made = found.ok ? await pool.run(`create database ${SUPERUSER}`, [], { simple: true }) : found;
    if (made.ok) return succeed(null);
    if (made.failure.code === "28P01") {
      const fix = "put the file `password` back, or set ACKTOR_DATA_DIR to another folder";
      return fail("refused", `The password in ${home.passwordFile} does not match the data next to it.`, fix);
    }
    return explainOutput(made.failure.message, home);
  } finally {
    await pool.stop();
  }
}
