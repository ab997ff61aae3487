/** A chart as a file of its own: what the console draws, with its colours, a title and a description. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { h } from "preact";
import { renderToString } from "preact-render-to-string";
import type { Chart } from "../../services/publisher/console/src/chart/layout.ts";
import { Statechart } from "../../services/publisher/console/src/chart/statechart.tsx";
import { type ChartWords, ENGLISH } from "../../services/publisher/console/src/chart/words.ts";
import { ROOT } from "./write-or-check.ts";

const STYLE = "services/publisher/console/src/chart/chart.css";

/** The picture represents every actor that runs the machine, so it describes no single one. */
const WORDS: ChartWords = { ...ENGLISH, chartOf: (machine) => `Statechart of ${machine}` };

/**
 * The picture of a machine that stands still.
 * @param what one sentence about the machine
 */
export function toSvg({ definition, layout }: Chart, what: string): string {
  const style = readFileSync(join(ROOT, STYLE), "utf8").replaceAll(/\/\*.*?\*\/\s*/gs, "");
  const head = [
    h("title", null, definition.id),
    h("desc", null, what),
    h("style", { dangerouslySetInnerHTML: { __html: `\n${style}` } }),
    h("rect", { class: "chart-ground", width: layout.width, height: layout.height }),
  ];
  const svg = renderToString(h(Statechart, { definition, layout, snapshot: null, words: WORDS, children: head }));
  // A line for each element, so that a change is seen in what changed.
  return `${svg.replaceAll("><", ">\n<")}\n`;
}
