/** The source text of the console's module with every machine's definition and layouts. */
import type { MachineDefinition } from "@acktor/shared/inspect/wire";
import type { Chart } from "../src/chart/layout.ts";
import { layoutChart } from "./layout-chart.ts";
import { layoutMini } from "./layout-mini.ts";

/** The module's path from the repository's root. */
export const CHARTS_MODULE = "services/publisher/console/src/chart/charts.ts";

const HEAD = `/** Made from the machines by \`npm run diagrams\`. Do not edit. */
import type { Chart } from "./layout.ts";

/** By \`MachineDefinition.id\`. */
export const CHARTS: Readonly<Record<string, Chart>> = {
`;

/** A machine with its layouts. */
export async function chartOf(definition: MachineDefinition): Promise<Chart> {
  return { definition, layout: await layoutChart(definition), mini: await layoutMini(definition) };
}

/** The module's text; one line for each state and transition, so that diffs stay small. */
export function chartsModule(charts: readonly Chart[]): string {
  const entries = charts.map((chart) => `  ${JSON.stringify(chart.definition.id)}: ${written(chart, "  ")},\n`);
  return `${HEAD}${entries.join("")}};\n`;
}

function written(value: unknown, indent: string): string {
  const deeper = `${indent}  `;
  if (Array.isArray(value) && value.some(isStructure)) {
    return `[\n${value.map((one) => `${deeper}${JSON.stringify(one)},\n`).join("")}${indent}]`;
  }
  if (Array.isArray(value) || !isStructure(value)) return JSON.stringify(value);
  const fields = Object.entries(value).map(([key, one]) => `${deeper}${key}: ${written(one, deeper)},\n`);
  return `{\n${fields.join("")}${indent}}`;
}

function isStructure(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
