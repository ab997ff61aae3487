/**
 * A copy of the built services for mutations: compiled code, migrations and packages, in a temporary folder. A patch names
 * a place in a source file. The patched source is compiled into the copy.
 *
 * Invariants:
 *  BUILD_COPY-1. A patch that does not apply exactly once is a failure of the lab, not a passed control.
 */
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { builtFile, compileSource } from "../patch/compile-source.ts";
import { patchTokens } from "../patch/patch-tokens.ts";
import { REPOSITORY } from "../world/built.ts";
import { LabFailure } from "../world/lab-failure.ts";

/** In a source file, relative to the repository, the fragment `from` becomes `to`; formatting does not matter. */
export interface SourcePatch {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const PACKAGES = ["shared", "services/publisher", "services/acker", "tools/embedded", "tools/chaos"];
const LEFT_OUT = ["node_modules", "src", "console/src", "console/charts"];

export class BuildCopy {
  readonly root: string;
  /** Built files before their first patch; written by `apply`, emptied by `restore`. */
  readonly #originals = new Map<string, string>();

  private constructor(root: string) {
    this.root = root;
  }

  static async make(): Promise<BuildCopy> {
    const root = await mkdtemp(path.join(os.tmpdir(), "acktor-build-"));
    for (const name of PACKAGES) await copyPackage(name, root);
    await linkPackages(root);
    return new BuildCopy(root);
  }

  async apply(patches: readonly SourcePatch[]): Promise<void> {
    for (const [file, source] of await patchedSources(patches)) {
      const built = path.join(this.root, builtFile(file));
      if (!this.#originals.has(built)) this.#originals.set(built, await readFile(built, "utf8"));
      await writeFile(built, compileSource(source));
    }
  }

  /** Undoes every patch. */
  async restore(): Promise<void> {
    for (const [file, text] of this.#originals) await writeFile(file, text);
    this.#originals.clear();
  }

  remove(): Promise<void> {
    return rm(this.root, { recursive: true, force: true });
  }
}

/** The patched source of each file that a patch names. */
export async function patchedSources(patches: readonly SourcePatch[]): Promise<ReadonlyMap<string, string>> {
  const sources = new Map<string, string>();
  for (const { file, from, to } of patches) {
    const source = sources.get(file) ?? (await readFile(path.join(REPOSITORY, file), "utf8"));
    const patched = patchTokens(source, from, to);
    // BUILD_COPY-1
    if (!patched.ok) throw new LabFailure(`${patched.found} places instead of one in ${file}: ${from}`);
    sources.set(file, patched.text);
  }
  return sources;
}

async function copyPackage(name: string, root: string): Promise<void> {
  const source = path.join(REPOSITORY, name);
  const leftOut = LEFT_OUT.map((part) => path.join(source, part));
  await cp(source, path.join(root, name), { recursive: true, filter: (file) => !leftOut.includes(file) });
  const own = path.join(source, "node_modules");
  if (existsSync(own)) await symlink(own, path.join(root, name, "node_modules"));
}

/** Links the third-party packages of the repository, and the copies of our packages. */
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
