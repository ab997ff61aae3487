/** PostgreSQL servers with the settings of tests; used by `postgres.ts`, and by the runner for the shared ones. */
import path from "node:path";
import { type EmbeddedPostgres, startPostgres } from "@acktor/embedded/postgres";
import type { Binaries } from "@acktor/embedded/postgres-binaries";
import { SILENT } from "@acktor/embedded/progress";
import { anyPort } from "./ports.ts";
import { findServer, isRequired } from "./programs.ts";

export type PostgresVersion = 15 | 18;

/** Tests never lose power: nothing is flushed. A server that is killed with -9 still keeps its commits. */
const TEST_SETTINGS = { fsync: "off", full_page_writes: "off", max_connections: "200", shared_buffers: "64MB" };

/** The versions to test with on this machine. 15 is omitted where it is not installed, unless it is required. */
export function postgresVersions(): PostgresVersion[] {
  if (findServer("postgres15") !== null) return [15, 18];
  if (isRequired("postgres15")) throw new Error("ACKTOR_REQUIRE names postgres15, which is not installed");
  return [18];
}

export interface TestServerOptions {
  readonly version?: PostgresVersion;
  readonly dataDir: string;
  readonly port?: number | undefined;
  /** Settings in addition to the tests'. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Starts a server with the tests' settings; throws the failure's text. */
export async function startTestServer(options: TestServerOptions): Promise<EmbeddedPostgres> {
  const { version = 18, dataDir, port = await anyPort(), settings = {} } = options;
  const own = version === 15 ? { binaries: binariesOf15() } : {};
  const started = await startPostgres({
    dataDir,
    port,
    narrator: SILENT,
    settings: { ...TEST_SETTINGS, ...settings },
    ...own,
  });
  if (!started.ok) throw new Error(`${started.failure.message} (${started.failure.fix})`);
  return started.value;
}

function binariesOf15(): Binaries {
  const program = findServer("postgres15");
  if (program === null) throw new Error("PostgreSQL 15 is not installed: use postgresVersions()");
  return { bin: path.dirname(program), lib: null };
}
