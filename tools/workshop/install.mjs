/**
 * Installs the workshop (`npm run workshop`): biome, knip, validators, mermaid, playwright. Does nothing when what is installed
 * is as new as the lock file.
 */
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import path from "node:path";

const HERE = import.meta.dirname;

/** npm writes the inner file at the end of an install. */
function isInstalled() {
  const installed = path.join(HERE, "node_modules/.package-lock.json");
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(path.join(HERE, "package-lock.json")).mtimeMs;
}

if (!isInstalled()) {
  console.log("installing tools/workshop");
  const { status } = spawnSync("npm", ["ci", "--prefix", HERE], { stdio: "inherit" });
  process.exitCode = status ?? 1;
}
