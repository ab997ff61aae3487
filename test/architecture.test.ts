/**
 * The layering of the tree, read from the imports themselves: what may know what (docs/explanation/architecture.md).
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";

const root = resolve(import.meta.dirname, "..");
const folders = [
  "shared/src",
  "services/publisher/src",
  "services/publisher/console",
  "services/acker/src",
  "tools/embedded/src",
  "tools/chaos/src",
  "test",
];
const sources = folders
  .flatMap((folder) => listTypeScript(join(root, folder)))
  .map((path) => ({ path: relative(root, path), imports: importsOf(path) }));

/** Each driver has one importing file, so that what it really does is known in one place. */
const DRIVERS: Readonly<Record<string, string>> = {
  postgres: "shared/src/db/pool.ts",
  mqtt: "shared/src/link/mqtt-transport.ts",
  nats: "shared/src/bus/nats-bus.ts",
  pino: "shared/src/runtime/logger.ts",
  "mqtt-packet": "tools/chaos/src/proxy/mqtt-frames.ts",
  "elkjs/lib/elk.bundled.js": "services/publisher/console/charts/arrange.ts",
};

/** Steps of a message: none knows a sibling; what they share lies in `outbox` or `inbox`, or is handed in by `app`. */
const FEATURES: Readonly<Record<string, readonly string[]>> = {
  "services/publisher/src": ["intake", "dispatch", "settle", "janitor", "http"],
  "services/acker/src": ["subscribe", "verify", "inbox", "handle", "ack"],
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

test("a feature folder imports no sibling feature's behaviour", () => {
  const wrong: string[] = [];
  for (const [base, features] of Object.entries(FEATURES)) {
    for (const { path, imports } of sources) {
      const own = features.find((f) => path.startsWith(`${base}/${f}/`));
      if (own === undefined) continue;
      for (const name of imports.filter((n) => n.startsWith("."))) {
        const target = relative(root, resolve(root, dirname(path), name));
        const sibling = features.find((f) => f !== own && target.startsWith(`${base}/${f}/`));
        if (sibling !== undefined && !isTypeOnly(join(root, path), name)) wrong.push(`${path} imports ${name}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
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

test("the console's page holds nothing of Node, of the layout's library or of the machines", () => {
  const page = sources.filter((s) => s.path.startsWith("services/publisher/console/src/"));
  assert.ok(page.length > 0);
  const wrong = page.flatMap(({ path, imports }) =>
    imports
      .filter((name) => /^(node:|elkjs|xstate)|console\/charts\//.test(targetOf(path, name)))
      .map((name) => `${path} imports ${name}`),
  );
  assert.deepEqual(wrong, []);
});

test("protocol knows nothing of the rest", () => {
  const wrong = sources
    .filter((s) => s.path.startsWith("shared/src/protocol/"))
    .flatMap((s) => s.imports.filter((name) => name.startsWith("../")).map((name) => `${s.path} imports ${name}`));
  assert.deepEqual(wrong, []);
});

test("transactions of the driver are used nowhere", () => {
  const users = sources.filter((s) => !s.path.startsWith("test/") && /\bsql\.(begin|reserve)\(/.test(read(s.path)));
  assert.deepEqual(
    users.map((s) => s.path),
    [],
  );
});

test("no timer repeats without a stop", () => {
  const wrong = sources
    .filter((s) => !s.path.startsWith("test/"))
    .filter((s) => /\bsetInterval\(/.test(read(s.path)) && !/\bclearInterval\(/.test(read(s.path)))
    .map((s) => s.path);
  assert.deepEqual(wrong, []);
});

function isForbidden(path: string, name: string): boolean {
  const target = targetOf(path, name);
  const isTest = path.startsWith("test/");
  if (!isTest && target.startsWith("test/")) return true;
  if (
    path.startsWith("services/publisher/") &&
    /^(@acktor\/(acker|embedded|chaos)|services\/acker|tools)\b/.test(target)
  )
    return true;
  if (
    path.startsWith("services/acker/") &&
    /^(@acktor\/(publisher|embedded|chaos)|services\/publisher|tools)\b/.test(target)
  )
    return true;
  return path.startsWith("shared/") && /^(@acktor\/(publisher|acker|embedded|chaos)|services|tools)\b/.test(target);
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

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
