/**
 * The layering of the tree, read from the imports themselves: which part may import which (docs/explanation/architecture.md).
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";
import { type SqlFile, sqlFaults } from "./support/sql-rules.ts";

const root = resolve(import.meta.dirname, "..");
const folders = [
  "shared/src",
  "services/publisher/src",
  "services/publisher/console",
  "services/acker/src",
  "tools/embedded/src",
  "tools/chaos/src",
  "tools/cli/src",
  "tools/compose/src",
  "test",
];
const sources = folders
  .flatMap((folder) => listTypeScript(join(root, folder)))
  .map((path) => ({ path: relative(root, path), imports: importsOf(path) }));

/** Each driver has one importing file, so that one place knows its real behaviour. */
const DRIVERS: Readonly<Record<string, string>> = {
  postgres: "shared/src/db/connection.ts",
  mqtt: "shared/src/mqtt/driver.ts",
  nats: "shared/src/bus/nats-connection.ts",
  pino: "shared/src/runtime/logger.ts",
  "mqtt-packet": "tools/chaos/src/proxy/mqtt-frames.ts",
  "prom-client": "shared/src/runtime/metric-table.ts",
  "@fastify/helmet": "shared/src/runtime/http-guard.ts",
  "@fastify/rate-limit": "shared/src/runtime/http-guard.ts",
  "elkjs/lib/elk.bundled.js": "services/publisher/console/charts/arrange.ts",
};

/**
 * The folders of each service, and the folders from which each imports code. Type imports are free, also between steps. A step
 * imports no sibling: shared code lies in `outbox` or `inbox`, or the assembly at the service's root passes it in.
 */
const FOLDERS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "services/publisher/src": {
    intake: ["outbox", "principals"],
    dispatch: ["outbox"],
    settle: ["outbox"],
    janitor: ["outbox"],
    http: ["outbox", "principals", "control"],
    control: ["outbox", "principals", "intake"],
    overview: ["outbox"],
    principals: ["outbox"],
    outbox: ["principals"],
  },
  "services/acker/src": {
    subscribe: [],
    verify: [],
    process: ["inbox"],
    ack: [],
    control: ["inbox"],
    inbox: [],
  },
};

/** What every folder may import from the service's root. The other files there assemble the service. */
const ROOT_MODULES = ["version.ts"];

/** The layers inside `shared`: what each folder imports, types included. */
const SHARED_LAYERS: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  runtime: ["protocol"],
  mqtt: ["protocol", "runtime"],
  link: ["protocol", "runtime", "mqtt"],
  db: ["protocol", "runtime"],
  bus: ["protocol", "runtime"],
  seal: ["protocol", "runtime", "bus"],
  inspect: ["protocol", "runtime", "bus", "seal", "db", "link"],
  texts: ["protocol", "runtime", "inspect"],
  client: ["protocol", "runtime", "link"],
};

for (const [driver, home] of Object.entries(DRIVERS)) {
  test(`${driver} is imported by ${home} alone`, () => {
    const importers = sources
      .filter((s) => !s.path.startsWith("test/") && s.imports.includes(driver))
      .map((s) => s.path);
    assert.deepEqual(
      importers.filter((path) => path !== home),
      [],
    );
  });
}

test("services import neither each other nor tools, and nothing imports tests", () => {
  const wrong = sources.flatMap(({ path, imports }) =>
    imports.filter((name) => isForbidden(path, name)).map((name) => `${path} imports ${name}`),
  );
  assert.deepEqual(wrong, []);
});

for (const [base, allowed] of Object.entries(FOLDERS)) {
  const inside = sources.filter(({ path }) => path.startsWith(`${base}/`));

  test(`every folder of ${base} is known`, () => {
    const folders = new Set(inside.flatMap(({ path }) => folderOf(base, path) ?? []));
    assert.deepEqual([...folders].filter((folder) => allowed[folder] === undefined).sort(), []);
  });

  test(`a folder of ${base} imports code only from the folders that it is allowed`, () => {
    const wrong: string[] = [];
    for (const { path, imports } of inside) {
      const own = folderOf(base, path);
      if (own === null) continue;
      for (const name of imports.filter((n) => n.startsWith("."))) {
        const target = targetOf(path, name);
        if (!target.startsWith(`${base}/`) || isTypeOnly(join(root, path), name)) continue;
        if (!mayImport(base, own, target)) wrong.push(`${path} imports ${name}`);
      }
    }
    assert.deepEqual(wrong, []);
  });
}

/** Machines are descriptions: `control` imports those of every step. */
function mayImport(base: string, own: string, target: string): boolean {
  const folder = folderOf(base, target);
  if (folder === null) return ROOT_MODULES.includes(target.slice(base.length + 1));
  if (folder === own || FOLDERS[base]?.[own]?.includes(folder)) return true;
  return own === "control" && target.endsWith("-machine.ts");
}

test("the layers inside shared: each folder imports only from the layers below it, types included", () => {
  const base = "shared/src";
  const wrong: string[] = [];
  for (const { path, imports } of sources.filter((s) => s.path.startsWith(`${base}/`))) {
    const own = folderOf(base, path) ?? "";
    for (const name of imports.filter((n) => n.startsWith("."))) {
      const folder = folderOf(base, targetOf(path, name)) ?? "";
      if (folder !== own && !SHARED_LAYERS[own]?.includes(folder)) wrong.push(`${path} imports ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

/** The folder of `base` that a path lies in, or null for a file at its root. */
function folderOf(base: string, path: string): string | null {
  const [folder = "", ...rest] = path.slice(base.length + 1).split("/");
  return rest.length === 0 ? null : folder;
}

/**
 * What the command line imports from the services: their settings, the location of their migrations, and how an acker
 * connects, which the doctor repeats. From the tools: the fault lab's subcommands, and how to stop a long-running program.
 */
const CLI_DOORS = [
  "@acktor/chaos/define-chaos",
  "@acktor/chaos/report/texts",
  "@acktor/embedded/stop-request",
  "@acktor/publisher/config",
  "@acktor/publisher/outbox/migrate-outbox",
  "@acktor/publisher/outbox/old-locks",
  "@acktor/acker/config",
  "@acktor/acker/subscribe/choose-filters",
  "@acktor/acker/subscribe/make-link",
  "@acktor/acker/inbox/migrate-inbox",
];

test("the command line imports shared, and few files of other packages; no package imports the command line", () => {
  const wrong = sources.flatMap(({ path, imports }) => {
    const isCli = path.startsWith("tools/cli/");
    const isAllowed = (name: string): boolean => {
      if (!isCli) return path.startsWith("test/") || !/^(@acktor\/cli|tools\/cli)\b/.test(targetOf(path, name));
      if (name.startsWith("@acktor/shared/")) return true;
      if (name === "@acktor/embedded/start" || name === "@acktor/embedded/demo") return path.endsWith("/embedded.ts");
      return name.startsWith("@acktor/")
        ? CLI_DOORS.includes(name)
        : targetOf(path, name).startsWith("tools/cli/") || !name.startsWith(".");
    };
    return imports.filter((name) => !isAllowed(name)).map((name) => `${path} imports ${name}`);
  });
  assert.deepEqual(wrong, []);
});

test("the command line starts without what only some commands need", () => {
  const loaded = new Set<string>();
  const packages = new Set<string>();
  const next = ["tools/cli/src/main.ts"];
  for (let path = next.pop(); path !== undefined; path = next.pop()) {
    if (loaded.has(path)) continue;
    loaded.add(path);
    for (const [, name = ""] of read(path).matchAll(/^(?:import|export) (?!type )[^;]*?from "([^"]+)";/gms)) {
      if (name.startsWith(".")) next.push(targetOf(path, name));
      else if (name.startsWith("@acktor/chaos/"))
        next.push(`tools/chaos/src/${name.slice("@acktor/chaos/".length)}.ts`);
      else if (name.startsWith("@acktor/shared/")) next.push(`shared/src/${name.slice("@acktor/shared/".length)}.ts`);
      else if (!name.startsWith("node:")) packages.add(name);
    }
  }
  assert.ok(loaded.size > 15, "the walk has found the program");
  assert.deepEqual([...packages].sort(), ["commander"]);
});

test("charts are pure: xstate and pure siblings only", () => {
  const wrong: string[] = [];
  for (const { path, imports } of sources.filter((s) => s.path.endsWith("-machine.ts"))) {
    for (const name of imports) {
      if (name === "xstate" || name.startsWith(".")) continue;
      wrong.push(`${path} imports ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("the console's page includes no code of Node, the layout library or the machines", () => {
  const page = sources.filter((s) => s.path.startsWith("services/publisher/console/src/"));
  assert.ok(page.length > 0);
  const wrong = page.flatMap(({ path, imports }) =>
    imports
      .filter((name) => /^(node:|elkjs|xstate)|console\/charts\//.test(targetOf(path, name)))
      .map((name) => `${path} imports ${name}`),
  );
  assert.deepEqual(wrong, []);
});

test("the console's layers: views know parts, parts know state, state knows the api; the charts know none of them", () => {
  const views = "services/publisher/console/src/";
  const places: Readonly<Record<string, RegExp>> = {
    api: /^(views|parts)\//,
    state: /^(views|parts)\//,
    parts: /^views\//,
    chart: /^(views|parts|state|api)\//,
  };
  const wrong: string[] = [];
  for (const [place, forbidden] of Object.entries(places)) {
    for (const { path, imports } of sources.filter((s) => s.path.startsWith(`${views}${place}/`))) {
      const targets = imports.map((name) => targetOf(path, name).replace(views, ""));
      wrong.push(...targets.filter((target) => forbidden.test(target)).map((target) => `${path} imports ${target}`));
    }
  }
  assert.deepEqual(wrong, []);
});

test("the wire format is types and constants alone, so that the console can share it", () => {
  const wire = sources.find((s) => s.path === "shared/src/inspect/wire.ts");
  assert.ok(wire !== undefined);
  assert.deepEqual(
    wire.imports.filter((name) => !isTypeOnly(join(root, wire.path), name)),
    [],
  );
});

test("XState's private parts are read in one file", () => {
  const home = "shared/src/inspect/xstate-internals.ts";
  const readers = sources.filter(
    (s) => !s.path.startsWith("test/") && /_transitions\b|_scheduledEvents\b/.test(read(s.path)),
  );
  assert.deepEqual(
    readers.map((s) => s.path),
    [home],
  );
});

test("what applications import depends on no driver but the link's", () => {
  const client = sources.filter((s) => s.path.startsWith("shared/src/client/"));
  assert.ok(client.length > 0);
  const wrong = client.flatMap(({ path, imports }) =>
    imports
      .map((name) => targetOf(path, name))
      .filter((target) => !/^(node:|shared\/src\/(client|link)\/|shared\/src\/runtime\/clock\.ts$)/.test(target))
      .map((target) => `${path} imports ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test("a unit of work of several statements is in one file", () => {
  const users = sources.filter((s) => !s.path.startsWith("test/") && /\bnew Connector\(/.test(read(s.path)));
  assert.deepEqual(users.map((s) => s.path).sort(), ["shared/src/db/fenced-transaction.ts", "shared/src/db/pool.ts"]);
});

test("transactions of the driver are used nowhere", () => {
  const users = sources.filter((s) => !s.path.startsWith("test/") && /\bsql\.(begin|reserve)\(/.test(read(s.path)));
  assert.deepEqual(
    users.map((s) => s.path),
    [],
  );
});

/** DOOR-1 of shared/src/runtime/terminal-door.ts: foreign characters are escaped there. */
test("standard output and standard error are written to by one file: the door that escapes", () => {
  const writers = sources.filter(
    ({ path }) =>
      !path.startsWith("test/") &&
      /\bprocess\.(stdout|stderr|_rawDebug)\b|\bconsole\s*(\[|\.(log|error|warn|info|debug|dir|table|trace)\b)|\bwriteSync\([12]\b|\b(stdout|stderr)\.write\(/.test(
        code(path),
      ),
  );
  assert.deepEqual(
    writers.map(({ path }) => path).filter((path) => !path.startsWith("services/publisher/console/")),
    ["shared/src/runtime/terminal-door.ts"],
  );
});

test("no timer repeats without a stop", () => {
  const wrong = sources
    .filter((s) => !s.path.startsWith("test/"))
    .filter((s) => /\bsetInterval\(/.test(read(s.path)) && !/\bclearInterval\(/.test(read(s.path)))
    .map((s) => s.path);
  assert.deepEqual(wrong, []);
});

/**
 * Migrations in the order in which they are applied, then the grants, then the SQL blocks of pages.
 */
test("RIGHTS-1: functions with their owner's rights have a fixed search_path, and none is granted with all others", () => {
  const files = ["publisher", "acker"].flatMap((service): SqlFile[] => {
    const folder = `services/${service}/migrations`;
    const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(".sql"));
    return [...names.sort().map((name) => `${folder}/${name}`), `services/${service}/grants.sql`].map((name) => ({
      name,
      text: read(name),
    }));
  });
  const servers = "tools/compose/servers/postgres/roles.sql";
  const pages = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => ({ name: `docs/${name}`, text: sqlIn(read(join("docs", name))) }));
  assert.ok(files.length >= 4);
  assert.deepEqual(sqlFaults([...files, { name: servers, text: read(servers) }, ...pages]), []);
});

/** The SQL blocks of a page. */
function sqlIn(page: string): string {
  return [...page.matchAll(/```sql\n([\s\S]*?)```/g)].map(([, block]) => block).join("\n;\n");
}

function isForbidden(path: string, name: string): boolean {
  const target = targetOf(path, name);
  const isTest = path.startsWith("test/");
  if (!isTest && target.startsWith("test/")) return true;
  if (
    path.startsWith("services/publisher/") &&
    /^(@acktor\/(acker|embedded|chaos|compose)|services\/acker|tools)\b/.test(target)
  )
    return true;
  if (
    path.startsWith("services/acker/") &&
    /^(@acktor\/(publisher|embedded|chaos|compose)|services\/publisher|tools)\b/.test(target)
  )
    return true;
  return (
    path.startsWith("shared/") && /^(@acktor\/(publisher|acker|embedded|chaos|compose)|services|tools)\b/.test(target)
  );
}

/** What an import means: a path from the root, or a package. */
function targetOf(path: string, name: string): string {
  return name.startsWith(".") ? relative(root, resolve(root, dirname(path), name)) : name;
}

function isTypeOnly(path: string, name: string): boolean {
  const statement = new RegExp(`import\\s+type\\s[^;]*from\\s+"${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}"`);
  return statement.test(readFileSync(path, "utf8"));
}

function importsOf(path: string): string[] {
  const text = readFileSync(path, "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1] ?? "");
}

function listTypeScript(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => join(folder, name));
}

/** A file without its comments. */
function code(path: string): string {
  return read(path).replace(/^\s*(\/\/|\*|\/\*\*).*$/gm, "");
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
