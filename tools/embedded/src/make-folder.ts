/**
 * `mkdir -p`. Node's own (`recursive: true`) never returns where a parent exists and refuses children with ENOENT, as
 * /proc does (Node 20.20).
 */
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";

/** Makes `folder` and what is missing above it; rejects with the system's error. */
export async function makeFolder(folder: string): Promise<void> {
  const parent = path.dirname(folder);
  const fault = await mkdir(folder).then(
    () => null,
    (error: NodeJS.ErrnoException) => error,
  );
  if (fault === null) return;
  if (fault.code === "EEXIST" && (await stat(folder)).isDirectory()) return;
  if (fault.code !== "ENOENT" || parent === folder) throw fault;
  await makeFolder(parent);
  await mkdir(folder);
}
