/**
 * A copy of the built services, to be spoilt: compiled code, migrations and packages as they are, in a folder of its own.
 *
 * Invariant: an edit that does not apply exactly once is a fault of the lab, not a control that passed.
 */
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { REPOSITORY } from "../world/built.ts";
import { LabFailure } from "../world/lab-failure.ts";

/** In a compiled file, relative to the repository, `from` becomes `to`. */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface BuildCopy {
  readonly root: string;
  edit(edits: readonly Edit[]): Promise<void>;
  /** Undoes every edit. */
  restore(): Promise<void>;
  remove(): Promise<void>;
}

const PACKAGES = ["shared", "services/publisher", "services/acker", "tools/embedded", "tools/chaos"];
const LEFT_OUT = ["node_modules", "src", "console/src", "console/charts"];

export async function copyBuild(): Promise<BuildCopy> {
  const root = await mkdtemp(path.join(os.tmpdir(), "acktor-build-"));
  for (const name of PACKAGES) await copyPackage(name, root);
  await linkPackages(root);
  const originals = new Map<string, string>();
  return {
    root,
    async edit(edits) {
      for (const edit of edits) {
        const file = path.join(root, edit.file);
        const text = await readFile(file, "utf8");
        if (text.split(edit.from).length !== 2)
          throw new LabFailure(`does not apply once to ${edit.file}: ${edit.from}`);
        if (!originals.has(file)) originals.set(file, text);
        await writeFile(
          file,
          text.replace(edit.from, () => edit.to),
        );
      }
    },
    async restore() {
      for (const [file, text] of originals) await writeFile(file, text);
      originals.clear();
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

async function copyPackage(name: string, root: string): Promise<void> {
  const source = path.join(REPOSITORY, name);
  const leftOut = LEFT_OUT.map((part) => path.join(source, part));
  await cp(source, path.join(root, name), { recursive: true, filter: (file) => !leftOut.includes(file) });
  const own = path.join(source, "node_modules");
  if (existsSync(own)) await symlink(own, path.join(root, name, "node_modules"));
}

/** Packages of others are shared, ours are the copy's. */
async function linkPackages(root: string): Promise<void> {
  const modules = path.join(REPOSITORY, "node_modules");
  const own = path.join(root, "node_modules");
  await mkdir(path.join(own, "@acktor"), { recursive: true });
  for (const name of await readdir(modules)) {
    if (name !== "@acktor") await symlink(path.join(modules, name), path.join(own, name));
  }
  for (const name of PACKAGES) {
    await symlink(path.join(root, name), path.join(own, "@acktor", path.basename(name)));
  }
}
