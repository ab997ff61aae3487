/** A standby of a test's PostgreSQL 15: a copy by pg_basebackup that follows by streaming replication. */
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { cleanUp } from "./cleanup.ts";
import { anyPort } from "./ports.ts";
import type { TestCluster } from "./postgres.ts";
import { findServer } from "./programs.ts";
import { startTestServer } from "./test-server.ts";

/** @returns the port and the URL of the standby, which takes the primary's password */
export async function startStandby(t: TestContext, primary: TestCluster): Promise<{ port: number; url: string }> {
  const server = findServer("postgres15");
  if (server === null) throw new Error("PostgreSQL 15 is not installed: use postgresVersions()");
  const dataDir = await mkdtemp(path.join(os.tmpdir(), "acktor-standby-"));
  cleanUp(t, () => rm(dataDir, { recursive: true, force: true }));
  const data = path.join(dataDir, "data");
  const { username, password } = new URL(primary.url);
  await promisify(execFile)(
    path.join(path.dirname(server), "pg_basebackup"),
    ["-h", "127.0.0.1", "-p", String(primary.port), "-U", username, "-D", data, "-R", "-X", "stream", "-c", "fast"],
    { env: { ...process.env, PGPASSWORD: password }, timeout: 60_000 },
  );
  await chmod(data, 0o700);
  await copyFile(path.join(primary.dataDir, "password"), path.join(dataDir, "password"));
  const port = await anyPort();
  const started = await startTestServer({ version: 15, dataDir, port });
  cleanUp(t, () => started.stop());
  return { port, url: started.url };
}
