/**
 * A page's memory: that of its renderer process, which holds the page's objects, its document, its rendering and the
 * browser's own code for it.
 */
import { readFileSync } from "node:fs";
import type { Browser } from "../../tools/workshop/browser.ts";

const KIB = 1_024;
const MB = 1e6;

export interface PageMemory {
  /** Megabytes that only the renderer uses: the figure in the browser's task manager. */
  readonly privateMb: number;
  /** The same, plus the renderer's share of memory that several processes use, such as the program's code. */
  readonly proportionalMb: number;
}

/**
 * The memory of the largest renderer, after a garbage collection: a browser with one page keeps a second, empty renderer
 * ready. Only Linux reports it.
 */
export async function memoryOfPage(browser: Browser): Promise<PageMemory> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const renderers = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => readMemory(id));
  const largest = renderers.sort((a, b) => b.privateMb - a.privateMb)[0];
  if (largest === undefined) throw new Error("the browser has no renderer");
  return largest;
}

function readMemory(pid: number): PageMemory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const read = (name: string): number => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
    if (found === undefined) throw new Error(`smaps_rollup has no ${name}`);
    return (Number(found) * KIB) / MB;
  };
  return { privateMb: read("Private_Clean") + read("Private_Dirty"), proportionalMb: read("Pss") };
}
