/** Tables for a terminal, aligned also where a character takes two columns (Chinese, Japanese, Korean, full width). */

import { printable } from "@acktor/shared/runtime/printable";

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;

/** Columns that a text takes. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += WIDE.test(character) ? 2 : 1;
  return width;
}

/** A titled table with a head; cells are texts, columns as wide as their widest cell. */
export function renderTable(title: string, head: readonly string[], given: readonly (readonly string[])[]): string {
  // A reason or a topic may hold line ends and more.
  const rows = given.map((cells) => cells.map((cell) => printable(cell)));
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => textWidth(row[column] ?? ""))));
  const line = (cells: readonly string[]): string => {
    const padded = widths.map((width, column) => {
      const cell = cells[column] ?? "";
      return cell + " ".repeat(width - textWidth(cell));
    });
    return `│ ${padded.join(" │ ")} │`;
  };
  const rule = (left: string, middle: string, right: string): string => {
    return left + widths.map((width) => "─".repeat(width + 2)).join(middle) + right;
  };
  const body = rows.map(line);
  return [title, rule("┌", "┬", "┐"), line(head), rule("├", "┼", "┤"), ...body, rule("└", "┴", "┘")].join("\n");
}
