/** The loader hook: gives one module of a service with the crash point in it, everything else as it is. */
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
  if (point === null || !url.endsWith(`/services/${point.service}/${point.file}`)) return loaded;
  const text = typeof loaded.source === "string" ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString();
  const source = withCrash(text, point);
  if (source === null) throw new Error(`the crash point ${point.name} is not once in ${url}`);
  return { ...loaded, source };
}
