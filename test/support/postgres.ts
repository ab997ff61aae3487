/**
 * Real PostgreSQL for tests: a fresh database each, on a server that is shared, or a server of one's own to kill.
 *
 * The shared servers are those of `npm test`, which names them in ACKTOR_TEST_PG18 and ACKTOR_TEST_PG15. A test file that
 * is run alone starts its own at the first call and stops it at its end.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, type TestContext } from "node:test";
import { portIsFree } from "@acktor/embedded/ports";
import { type EmbeddedPostgres, startPostgres } from "@acktor/embedded/postgres";
import type { Binaries } from "@acktor/embedded/postgres-binaries";
import { processesIn } from "@acktor/embedded/process-table";
import { createPool } from "@acktor/shared/db/pool";
import { until } from "./until.ts";

export type PostgresVersion = 15 | 18;

/** Where distributions put PostgreSQL 15. */
const FOLDERS_OF_15 = ["/usr/lib/postgresql/15/bin", "/usr/pgsql-15/bin", "/opt/homebrew/opt/postgresql@15/bin"];

/** Tests never lose power: nothing is flushed. A server that is killed with -9 keeps its commits all the same. */
const TEST_SETTINGS = { fsync: "off", full_page_writes: "off", max_connections: "200", shared_buffers: "64MB" };

/** The programs of PostgreSQL 15, or null when there are none. */
export function binariesOf15(): Binaries | null {
  const bin = FOLDERS_OF_15.find((folder) => existsSync(path.join(folder, "postgres")));
  return bin === undefined ? null : { bin, lib: null };
}

/** The versions to test with on this machine. 15 is left out where it is not installed, unless it is required. */
export function postgresVersions(): PostgresVersion[] {
  if (binariesOf15() !== null) return [15, 18];
  const required = (process.env["ACKTOR_REQUIRE"] ?? "").split(",").map((name) => name.trim());
  if (required.includes("postgres15")) throw new Error(`ACKTOR_REQUIRE=postgres15: looked in ${FOLDERS_OF_15}`);
  return [18];
}

export interface TestServerOptions {
  readonly version?: PostgresVersion;
  readonly dataDir: string;
  readonly port?: number | undefined;
}

/** Starts a server with the tests' settings; throws with the failure's text. */
export async function startTestServer(options: TestServerOptions): Promise<EmbeddedPostgres> {
  const { version = 18, dataDir, port = await anyPort() } = options;
  const binaries = version === 15 ? binariesOf15() : undefined;
  if (binaries === null) throw new Error("PostgreSQL 15 is not installed: use postgresVersions()");
  const own = binaries === undefined ? {} : { binaries };
  const started = await startPostgres({ dataDir, port, log: () => {}, settings: TEST_SETTINGS, ...own });
  if (!started.ok) throw new Error(`${started.failure.message} (${started.failure.fix})`);
  return started.value;
}

interface OwnServer {
  readonly server: EmbeddedPostgres;
  readonly dataDir: string;
}

/** Servers that this file started because nobody gave it any. At most one for each version. */
const ownServers = new Map<PostgresVersion, Promise<OwnServer>>();

after(async () => {
  for (const starting of ownServers.values()) {
    const { server, dataDir } = await starting;
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
});

async function startOwnServer(version: PostgresVersion): Promise<OwnServer> {
  const dataDir = await temporaryFolder();
  return { server: await startTestServer({ version, dataDir }), dataDir };
}

async function sharedUrl(version: PostgresVersion): Promise<string> {
  const given = process.env[`ACKTOR_TEST_PG${version}`];
  if (given) return given;
  const starting = ownServers.get(version) ?? startOwnServer(version);
  ownServers.set(version, starting);
  return (await starting).server.url;
}

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
}

/** A fresh, empty database. It is dropped when the test has passed, and kept for a look when it has failed. */
export async function testDatabase(t: TestContext, options: { version?: PostgresVersion } = {}): Promise<TestDatabase> {
  const shared = await sharedUrl(options.version ?? 18);
  const name = `t_${randomBytes(6).toString("hex")}`;
  await administer(shared, `create database ${name}`);
  const url = new URL(shared);
  url.pathname = `/${name}`;
  t.after(async () => {
    // In Node since 20.12, in its types for 20 not yet.
    const { passed } = t as TestContext & { readonly passed: boolean };
    if (passed) await administer(shared, `drop database if exists ${name} with (force)`);
    else t.diagnostic(`database kept: ${name} on port ${url.port}`);
  });
  return { url: url.href, name };
}

async function administer(url: string, statement: string): Promise<void> {
  const pool = createPool({ url, size: 1, deadlineMs: 30_000, applicationName: "acktor-test-admin" });
  try {
    const done = await pool.run(statement, [], { simple: true });
    if (!done.ok) throw new Error(`${statement}: ${done.failure.code} ${done.failure.message}`);
  } finally {
    await pool.stop();
  }
}

/** A server of one test, to be killed and started again on the same port. */
export interface TestCluster {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  pid(): number;
  /** SIGKILL to the postmaster; resolves when it and its children are gone. */
  kill(): Promise<void>;
  /** A clean stop. */
  stop(): Promise<void>;
  /** Starts it again after `kill` or `stop`, with the same data, port and password. */
  start(): Promise<void>;
}

/** Starts a server for this test alone; stopped and removed after it. */
export async function startCluster(t: TestContext, options: { version?: PostgresVersion } = {}): Promise<TestCluster> {
  const { version = 18 } = options;
  const dataDir = await temporaryFolder();
  let server: EmbeddedPostgres | null = null;
  t.after(async () => {
    await server?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  server = await startTestServer({ version, dataDir });
  const { url, port } = server;
  let current = server;
  return {
    url,
    port,
    dataDir,
    pid: () => current.pid,
    async kill() {
      process.kill(current.pid, "SIGKILL");
      await current.exited;
      const data = path.join(dataDir, "data");
      await until(async () => (await processesIn(data)).length === 0, 10_000, "the killed server's children to go");
    },
    stop: () => current.stop(),
    async start() {
      current = await startTestServer({ version, dataDir, port });
      server = current;
    },
  };
}

function temporaryFolder(): Promise<string> {
  return mkdtemp(path.join(os.tmpdir(), "acktor-test-"));
}

/** Below the range from which systems take ports for outgoing connections, so that nobody snatches it meanwhile. */
async function anyPort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    if (await portIsFree(port)) return port;
  }
}
