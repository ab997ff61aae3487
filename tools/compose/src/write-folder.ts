/**
 * Files for one container, in the volume that it alone mounts.
 *
 * Invariant: a file is there whole or as it was, whoever reads it meanwhile; one with the same content is not touched.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";

export type Files = Readonly<Record<string, string>>;

/**
 * Readable for all inside: the volume is the fence, and each container runs under a uid of its own.
 * @returns the names that were written
 */
export function writeFolder(folder: string, files: Files): string[] {
  return Object.entries(files)
    .filter(([name, text]) => writeChanged(path.join(folder, name), text))
    .map(([name]) => name);
}

function writeChanged(file: string, text: string): boolean {
  if (existsSync(file) && readFileSync(file, "utf8") === text) return false;
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, text, { mode: 0o444 });
  renameSync(`${file}.new`, file);
  return true;
}

/** Every file below a folder by its path in it. */
export function readFolder(folder: string): Files {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => statSync(path.join(folder, name)).isFile()).sort();
  return Object.fromEntries(files.map((name) => [name, readFileSync(path.join(folder, name), "utf8")]));
}
