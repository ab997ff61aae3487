/**
 * Text sizes, for layout and drawing.
 *
 * Text is monospaced: the widest usual font advances 0.602 of its size. Titles are bold sans: capitals take 0.78. The
 * reserved width is thereby enough on every machine.
 */
import type { Line } from "./label.ts";

const TEXT_SIZE: Readonly<Record<Line["tone"], number>> = { event: 11, guard: 10, action: 10 };
export const LINE_HEIGHT: Readonly<Record<Line["tone"], number>> = { event: 15, guard: 14, action: 13 };
const TITLE_SIZE = 13;
export const TITLE_HEIGHT = 20;
/** Between a box and its text. */
export const PADDING = 10;
/** Between a label and its line. */
export const LABEL_PADDING = 5;

/** For the countdown next to a title: "3599 s". */
export const COUNTDOWN_WIDTH = 52;

/** Names in the small chart. */
export const MINI_SIZE = 10;
export const MINI_HEIGHT = 18;

const MONOSPACE_ADVANCE = 0.602;
const TITLE_ADVANCE = 0.78;

function lineWidth({ text, tone }: Line): number {
  return Math.ceil(text.length * TEXT_SIZE[tone] * MONOSPACE_ADVANCE);
}

export function titleWidth(title: string): number {
  return Math.ceil(title.length * TITLE_SIZE * TITLE_ADVANCE);
}

/** Size of lines below each other. */
export function blockSize(lines: readonly Line[]): { readonly width: number; readonly height: number } {
  const width = Math.max(0, ...lines.map(lineWidth));
  return { width, height: lines.reduce((sum, { tone }) => sum + LINE_HEIGHT[tone], 0) };
}

export function miniWidth(title: string): number {
  return Math.ceil(title.length * MINI_SIZE * TITLE_ADVANCE) + PADDING;
}
