/**
 * What `npm run bench` calls: builds the services, which run as their users run them, then runs bench.ts by tsx.
 * Options are those of bench.ts; `npm run bench -- --help` lists them.
 */
import { spawn, spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const options = { cwd: ROOT, stdio: "inherit" };

const compiler = path.join(ROOT, "node_modules/typescript/bin/tsc");
const built = spawnSync(process.execPath, [compiler, "-b", "tools/embedded"], options);
if (built.status !== 0) {
  console.error("The build failed.\n  fix: see the lines above; on a fresh clone run `npm ci` first");
  process.exit(1);
}

const flags = ["--import", "tsx", "--conditions=source"];
const args = [...flags, path.join(ROOT, "test/bench/bench.ts"), ...process.argv.slice(2)];
const child = spawn(process.execPath, args, options);
// A signal to the group (Ctrl-C) reaches the child too; one to this process alone is passed on. The child cleans up.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.once("exit", (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 1;
});
