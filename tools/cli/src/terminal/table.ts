/** Tables, aligned by terminal columns in every language. */
import { fitText, padText, textWidth } from "./text-width.ts";

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const WIDEST_CELL = 60;
const CORNERS = { top: ["┌", "┬", "┐"], middle: ["├", "┼", "┤"], bottom: ["└", "┴", "┘"] } as const;

/** @param columns of the terminal, if known: the last column is cut so that lines do not wrap */
export function renderTable({ title, head, rows }: Table, columns: number | null): string {
  const widths = head.map((_, at) => {
    const widest = Math.max(...[head, ...rows].map((row) => textWidth(row[at] ?? "")));
    return Math.min(widest, at === head.length - 1 ? Number.POSITIVE_INFINITY : WIDEST_CELL);
  });
  const last = widths.length - 1;
  const frame = widths.reduce((sum, width) => sum + width + 3, 1);
  if (columns !== null && frame > columns) widths[last] = Math.max(4, (widths[last] ?? 0) - (frame - columns));
  const line = (cells: readonly string[]): string => {
    const padded = widths.map((width, at) => padText(fitText(cells[at] ?? "", width), width));
    return `│ ${padded.join(" │ ")} │`;
  };
  const rule = ([left, middle, right]: readonly [string, string, string]): string => {
    return left + widths.map((width) => "─".repeat(width + 2)).join(middle) + right;
  };
  const body = rows.map((row) => line(row));
  const parts = [title, rule(CORNERS.top), line(head), rule(CORNERS.middle), ...body, rule(CORNERS.bottom)];
  return parts.filter((part) => part !== "").join("\n");
}
