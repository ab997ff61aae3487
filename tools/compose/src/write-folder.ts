/**
 * Files for one container, in a volume that only this container mounts.
 *
 * Invariants:
 *  WRITE_FOLDER-1. A file is replaced atomically; one with the same content is not touched.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";

export type Files = Readonly<Record<string, string>>;

/**
 * Readable for every user: only one container mounts the volume, and each container has its own uid.
 * @returns the names that were written
 */
export function writeFolder(folder: string, files: Files): string[] {
  return Object.entries(files)
    .filter(([name, text]) => writeChanged(path.join(folder, name), text))
    .map(([name]) => name);
}

function writeChanged(file: string, text: string): boolean {
  if (existsSync(file) && readFileSync(file, "utf8") === text) return false; // WRITE_FOLDER-1
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, text, { mode: 0o444 });
  renameSync(`${file}.new`, file);
  return true;
}

/** Every file below a folder, by its relative path. */
export function readFolder(folder: string): Files {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => statSync(path.join(folder, name)).isFile()).sort();
  return Object.fromEntries(files.map((name) => [name, readFileSync(path.join(folder, name), "utf8")]));
}
