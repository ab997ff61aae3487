/** What the tests of a run share: built programs, and a PostgreSQL of each version. */
import { spawnSync } from "node:child_process";
import path from "node:path";

/** Compiles the packages and bundles the console, as `npm start` does. @returns whether that worked */
export async function buildPrograms(root) {
  const compiler = path.join(root, "node_modules/typescript/bin/tsc");
  const result = spawnSync(process.execPath, [compiler, "-b", "tools/cli"], { cwd: root, stdio: "inherit" });
  if (result.status !== 0) return false;
  const { buildConsole } = await import("../../services/publisher/console/build.mjs");
  return buildConsole();
}

/** The tests' own TypeScript, usable once the packages are built. */
export async function loadSupport() {
  const { register } = await import("tsx/esm/api");
  register();
  const [servers, programs, processes] = await Promise.all([
    import("../support/test-server.ts"),
    import("../support/programs.ts"),
    import("@acktor/embedded/process-table"),
  ]);
  return { ...servers, ...programs, ...processes };
}

/** Prints which optional servers are installed. @returns the faults of those that ACKTOR_REQUIRE names */
export function checkServers({ OPTIONAL_SERVERS, findServer, requiredNames }) {
  for (const server of OPTIONAL_SERVERS) {
    const program = findServer(server);
    console.log(`${server.padEnd(12)} ${program ?? "not installed: its tests are skipped"}`);
  }
  const unknown = requiredNames().filter((name) => !OPTIONAL_SERVERS.includes(name));
  const missing = OPTIONAL_SERVERS.filter((name) => requiredNames().includes(name) && findServer(name) === null);
  return [
    ...unknown.map((name) => `ACKTOR_REQUIRE names ${name}; it knows ${OPTIONAL_SERVERS.join(", ")}`),
    ...missing.map((name) => `${name} is required (ACKTOR_REQUIRE) and not installed`),
  ];
}

/** Starts a shared PostgreSQL of each version; the tests find them by the environment. */
export async function startClusters({ postgresVersions, startTestServer }, folder) {
  const starting = postgresVersions().map(async (version) => {
    const server = await startTestServer({ version, dataDir: path.join(folder, `shared-pg${version}`) });
    return { variable: `ACKTOR_TEST_PG${version}`, server };
  });
  return Promise.all(starting);
}
