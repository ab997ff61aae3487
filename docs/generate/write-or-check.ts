/**
 * What every generator ends with: writes its files, or with `--check` says which of them no longer follow the code.
 *
 * Invariants:
 *  1. `--check` writes nothing, and ends with exit code 1 when a file differs.
 *  2. Writing twice gives the same bytes: nothing of a generated file depends on the time or the machine.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** A file that follows from the code; the path counts from the repository's root. */
export interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

export const ROOT = resolve(import.meta.dirname, "../..");

/** The paths whose file is missing or differs from what the code gives. */
export function drifted(files: readonly GeneratedFile[]): string[] {
  return files.filter(({ path, text }) => read(path) !== text).map(({ path }) => path);
}

/** The text of a file of the repository, or null when there is none. */
function read(path: string): string | null {
  const file = join(ROOT, path);
  return existsSync(file) ? readFileSync(file, "utf8") : null;
}

/**
 * Runs a generator from the command line.
 * @param args the arguments after the script's name
 * @param command what a person types to run it
 */
export function writeOrCheck(files: readonly GeneratedFile[], args: readonly string[], command: string): void {
  const changed = drifted(files);
  if (!args.includes("--check")) {
    for (const { path, text } of files.filter((file) => changed.includes(file.path))) {
      mkdirSync(dirname(join(ROOT, path)), { recursive: true });
      writeFileSync(join(ROOT, path), text);
      process.stdout.write(`wrote ${path}\n`);
    }
    return;
  }
  for (const path of changed) process.stderr.write(`${path} does not follow the code: run \`${command}\`\n`);
  if (changed.length > 0) process.exitCode = 1;
}
