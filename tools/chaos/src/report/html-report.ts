/** The report: one HTML file without other files, first the table, then a picture of each run. */

import type { ScenarioResult } from "../run/result.ts";
import { escapeXml } from "./escape-xml.ts";
import { describeMachine } from "./machine.ts";
import { cellOf } from "./summary-table.ts";
import { type ChaosTexts, COLUMNS } from "./texts.ts";
import { timelineSvg } from "./timeline-svg.ts";

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:84rem;padding:0 1rem;color:#263238}
table{border-collapse:collapse;font-size:12px}td,th{border:1px solid #cfd8dc;padding:.25rem .5rem;text-align:left}
.passed{background:#e8f5e9}.failed,.not-injected{background:#ffebee}section{margin:2rem 0}svg{width:100%;height:auto}
.wide{overflow-x:auto}`;

export function htmlReport(results: readonly ScenarioResult[], texts: ChaosTexts, writtenAt: Date): string {
  const passed = results.filter(({ outcome }) => outcome === "passed").length;
  const head = COLUMNS.map((column) => `<th>${escapeXml(texts.columns[column])}</th>`).join("");
  const rows = results.map((result) => {
    const cells = COLUMNS.map((column) => `<td>${escapeXml(cellOf(result, column, texts))}</td>`).join("");
    return `<tr class="${result.outcome.replace(" ", "-")}">${cells}</tr>`;
  });
  return `<!doctype html>
<html lang="${texts.language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeXml(texts.title)}</title>
<style>${STYLE}</style></head>
<body>
<h1>${escapeXml(texts.title)}</h1>
<p>${escapeXml(texts.passed(passed, results.length))} · ${escapeXml(describeMachine())} · ${writtenAt.toISOString()}</p>
<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div>
${results.map((result) => sectionOf(result, texts)).join("\n")}
</body>
</html>
`;
}

function sectionOf(result: ScenarioResult, texts: ChaosTexts): string {
  const reasons = result.reasons.map((why) => `<li>${escapeXml(why)}</li>`).join("");
  const list = reasons === "" ? "" : `<ul>${reasons}</ul>`;
  const verdict = escapeXml(`${result.scenario}: ${texts.outcomes[result.outcome]}`);
  return `<section><h2>${verdict}</h2><p>${escapeXml(texts.seed)} ${result.seed}</p>${list}
${timelineSvg(result, texts)}</section>`;
}
