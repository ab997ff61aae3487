/** The paths of the built lab, also for code that runs from its sources. */
import path from "node:path";
import { fileURLToPath } from "node:url";

export const REPOSITORY = fileURLToPath(new URL("../../../../", import.meta.url));

/** A compiled program of the lab. */
export function builtLab(file: string): string {
  return path.join(REPOSITORY, "tools/chaos/dist", file);
}
