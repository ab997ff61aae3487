/**
 * Real PostgreSQL for tests: a new database for each test on a shared server, or a server that the test can kill.
 *
 * The shared servers are those of `npm test`, which names them in ACKTOR_TEST_PG18 and ACKTOR_TEST_PG15. A test file that
 * runs alone starts its own servers at the first call and stops them at its end.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, type TestContext } from "node:test";
import type { EmbeddedPostgres } from "@acktor/embedded/postgres";
import { processesIn } from "@acktor/embedded/process-table";
import { createPool } from "@acktor/shared/db/pool";
import { cleanUp } from "./cleanup.ts";
import { throughPooler } from "./pgbouncer.ts";
import { type PostgresVersion, postgresVersions, startTestServer } from "./test-server.ts";
import { until } from "./until.ts";

export { type PostgresVersion, postgresVersions };

interface OwnServer {
  readonly server: EmbeddedPostgres;
  readonly dataDir: string;
}

/** Servers that this file started because the environment names none. At most one for each version. */
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

/** A new, empty database. It is dropped when the test has passed, and kept for inspection when it has failed. */
export async function testDatabase(t: TestContext, options: { version?: PostgresVersion } = {}): Promise<TestDatabase> {
  const shared = await sharedUrl(options.version ?? 18);
  const name = `t_${randomBytes(6).toString("hex")}`;
  await administer(shared, `create database ${name}`);
  const url = new URL(shared);
  url.pathname = `/${name}`;
  cleanUp(t, async () => {
    // Node has it since 20.12; its types for 20 do not.
    const { passed } = t as TestContext & { readonly passed: boolean };
    if (passed) await administer(shared, `drop database if exists ${name} with (force)`);
    else t.diagnostic(`database kept: ${name} on port ${url.port}`);
  });
  return { url: await throughPooler(t, url.href), name };
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
  cleanUp(t, async () => {
    await server?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  server = await startTestServer({ version, dataDir });
  const { port } = server;
  let current = server;
  return {
    url: await throughPooler(t, server.url),
    port,
    dataDir,
    pid: () => current.pid,
    async kill() {
      process.kill(current.pid, "SIGKILL");
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
