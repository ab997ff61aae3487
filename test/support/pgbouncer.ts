/**
 * A PgBouncer in front of a test's PostgreSQL. With ACKTOR_TEST_POOLER=transaction (or session) in the environment, every
 * database of a test is reached through one.
 */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { cleanUp } from "./cleanup.ts";
import { anyPort } from "./ports.ts";
import { run } from "./processes.ts";
import { need } from "./require.ts";

export interface PgBouncer {
  /** The given URL, through the pooler. */
  readonly url: string;
  readonly port: number;
  log(): string;
}

export interface PgBouncerOptions {
  readonly mode: "transaction" | "session";
  /** Of its section `pgbouncer`, on top of the tests'. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Starts one in front of the server of `url`, whose user is a superuser; null where it is not installed: the test is skipped. */
export async function startPgBouncer(
  t: TestContext,
  url: string,
  options: PgBouncerOptions,
): Promise<PgBouncer | null> {
  const program = need("pgbouncer", t);
  if (program === null) return null;
  const server = new URL(url);
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-pgbouncer-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  const port = await anyPort();
  const [users, config] = [path.join(folder, "users.txt"), path.join(folder, "pgbouncer.ini")];
  const settings = {
    listen_addr: "127.0.0.1",
    listen_port: String(port),
    unix_socket_dir: "",
    pool_mode: options.mode,
    auth_type: "scram-sha-256",
    auth_file: users,
    auth_user: server.username,
    max_client_conn: "500",
    default_pool_size: "40",
    ...options.settings,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  await writeFile(users, `"${server.username}" "${decodeURIComponent(server.password)}"\n`);
  await writeFile(
    config,
    [`[databases]`, `* = host=${server.hostname} port=${server.port}`, "[pgbouncer]", ...lines, ""].join("\n"),
  );
  // It refuses to run as root, and another user must read its files.
  const isRoot = os.userInfo().uid === 0;
  if (isRoot) await chmod(folder, 0o755);
  const pooler = run(t, program, [...(isRoot ? ["-u", "nobody"] : []), config]);
  await pooler.says(/process up/, 10_000);
  server.port = String(port);
  return { url: server.href, port, log: pooler.output };
}

/** The URL through a pooler where the environment asks for one. */
export async function throughPooler(t: TestContext, url: string): Promise<string> {
  const mode = process.env["ACKTOR_TEST_POOLER"];
  if (mode !== "transaction" && mode !== "session") return url;
  return (await startPgBouncer(t, url, { mode }))?.url ?? url;
}
