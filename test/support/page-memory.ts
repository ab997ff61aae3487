/**
 * What a page takes of the machine: the memory of its renderer process, which holds its objects, its document, what is
 * drawn, and the browser's own code for it.
 */
import { readFileSync } from "node:fs";
import type { Browser } from "../../tools/workshop/browser.ts";

const KIB = 1_024;
const MB = 1e6;

export interface PageMemory {
  /** Megabytes of the renderer alone, shared with no other process: what the browser's own task manager shows. */
  readonly privateMb: number;
  /** The same and its part of what it shares with other processes, like the program's own text. */
  readonly proportionalMb: number;
}

/**
 * Of the largest renderer: a browser with one page keeps a second, empty one in store. After a collection of garbage.
 * Linux alone tells it.
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
