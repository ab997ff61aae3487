/**
 * Bundles the console into static files that the publisher serves: services/publisher/dist/console.
 *
 *   node services/publisher/console/build.mjs [--force]
 *
 * It builds only if a source is newer than the page, so that a start reads a few file times. The new folder replaces the old
 * one by a rename. Without esbuild (production) the shipped page stays.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.resolve(HERE, "../../..");
const TARGET = path.resolve(HERE, "../dist/console");
const SOURCES = [
  HERE,
  ...["shared/src/inspect", "shared/src/texts", "package-lock.json"].map((name) => path.join(ROOT, name)),
];

/** Newest change (ms) of a file, or of the files below a folder; 0 without any. */
function newestChange(place) {
  if (!existsSync(place)) return 0;
  const found = statSync(place);
  if (!found.isDirectory()) return found.mtimeMs;
  return Math.max(0, ...readdirSync(place).map((name) => newestChange(path.join(place, name))));
}

/** Whether the page is newer than all its sources. */
export function isUpToDate() {
  const page = path.join(TARGET, "index.html");
  return existsSync(page) && statSync(page).mtimeMs >= Math.max(...SOURCES.map(newestChange));
}

async function loadEsbuild() {
  try {
    return await import("esbuild");
  } catch (error) {
    if (error.code === "ERR_MODULE_NOT_FOUND") return null;
    throw error;
  }
}

function hashed(name, text) {
  const { name: base, ext } = path.parse(name);
  return `${base}-${createHash("sha256").update(text).digest("hex").slice(0, 10)}${ext}`;
}

/** Writes the files into a new folder, which then replaces the old one. */
function replaceFolder(files) {
  const fresh = `${TARGET}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(fresh, name), text);
  rmSync(TARGET, { recursive: true, force: true });
  renameSync(fresh, TARGET);
}

/** Builds the page if it is out of date. @returns whether there is a console to serve */
export async function buildConsole({ force = false } = {}) {
  if (!force && isUpToDate()) return true;
  const esbuild = await loadEsbuild();
  if (esbuild === null) return existsSync(path.join(TARGET, "index.html"));
  const { outputFiles } = await esbuild.build({
    absWorkingDir: HERE,
    entryPoints: { app: "src/main.tsx" },
    outdir: TARGET,
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: ["chrome123", "firefox120", "safari17.5"],
    jsx: "automatic",
    jsxImportSource: "preact",
    conditions: ["source"],
    charset: "utf8",
    legalComments: "none",
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "warning",
  });
  const files = {};
  const named = {};
  for (const { path: file, text } of outputFiles) {
    named[path.basename(file)] = hashed(path.basename(file), text);
    files[named[path.basename(file)]] = text;
  }
  files["icon.svg"] = readFileSync(path.join(HERE, "icon.svg"), "utf8");
  const page = readFileSync(path.join(HERE, "index.html"), "utf8");
  files["index.html"] = page.replaceAll(/\{\{(.+?)\}\}/g, (_, name) => named[name]);
  replaceFolder(files);
  return true;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildConsole({ force: process.argv.includes("--force") });
}
