/** The loader hook: inserts the crash point into one module of a service, and leaves all others unchanged. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { builtFile, compileSource } from "../patch/compile-source.ts";
import { REPOSITORY } from "../world/built.ts";
import { type CrashPoint, withCrash } from "./crash-points.ts";

interface Loaded {
  readonly format: string;
  readonly source?: string | ArrayBuffer | Uint8Array;
  readonly shortCircuit?: boolean;
}

let point: CrashPoint | null = null;

export function initialize(data: CrashPoint): void {
  point = data;
}

export async function load(
  url: string,
  context: object,
  nextLoad: (url: string, context: object) => Promise<Loaded>,
): Promise<Loaded> {
  const loaded = await nextLoad(url, context);
  if (point === null || !url.endsWith(`/${builtFile(point.file)}`)) return loaded;
  const source = withCrash(readFileSync(path.join(REPOSITORY, point.file), "utf8"), point);
  if (source === null) throw new Error(`the crash point ${point.name} does not occur exactly once in ${point.file}`);
  return { ...loaded, source: compileSource(source) };
}
