/** docs/reference/statecharts/, and the console's charts. */
import { CHARTS_MODULE, chartOf, chartsModule } from "../../services/publisher/console/charts/render-charts.ts";
import { SUBJECTS, type Subject } from "./charts.ts";
import { toMermaid } from "./to-mermaid.ts";
import { toSvg } from "./to-svg.ts";
import type { GeneratedFile } from "./write-or-check.ts";

const FOLDER = "docs/reference/statecharts";

const HEAD = `# Statecharts

<!-- Generated from the machines by \`npm run diagrams\`. Do not edit. -->

Every actor of acktor runs one of these machines; the console draws them live. Transitions between the same two states share
a line. \`[x]\` is a guard, \`/ x\` are actions, \`after x\` is a delay by its name in the code, and \`+2\` says that two more
actions follow. A transition that is written inside a state runs its actions and stays there; with \`↻\` it enters the state again.
The Mermaid diagrams leave out actions and what stays.`;

/** Every file that shows a statechart. */
export async function statecharts(): Promise<GeneratedFile[]> {
  const charts = await Promise.all(SUBJECTS.map(({ definition }) => chartOf(definition)));
  const pictures = charts.map((chart, at) => {
    return { path: `${FOLDER}/${chart.definition.id}.svg`, text: toSvg(chart, SUBJECTS[at]?.what ?? "") };
  });
  const diagrams = SUBJECTS.map(({ definition }) => {
    return { path: `${FOLDER}/${definition.id}.mmd`, text: toMermaid(definition) };
  });
  return [...pictures, ...diagrams, overview(), { path: CHARTS_MODULE, text: chartsModule(charts) }];
}

function overview(): GeneratedFile {
  return { path: `${FOLDER}/README.md`, text: `${[HEAD, ...SUBJECTS.map(section)].join("\n\n")}\n` };
}

function section({ definition, source, what }: Subject): string {
  const { id } = definition;
  return [
    `## ${id}`,
    `${what} Source: [${source}](../../../${source}).`,
    `![Statechart of ${id}](${id}.svg)`,
    `<details>\n<summary>The same in Mermaid</summary>`,
    fenced(toMermaid(definition)),
    "</details>",
  ].join("\n\n");
}

function fenced(diagram: string): string {
  return `\`\`\`mermaid\n${diagram}\`\`\``;
}
