/**
 * The rows, newest first, as a list box.
 *
 * Invariants:
 *  ROW_LIST-1. The document contains only the visible rows, about forty, regardless of the journal's length.
 *  ROW_LIST-2. A click or an arrow key freezes the page at a row.
 *
 * Scrolling away from the newest row pauses the list; Shift-click selects a range.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { clockTime } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { Shape, toneOfValue } from "../../parts/state-badge.tsx";
import type { Tone } from "../../parts/tone.ts";
import type { Row } from "../../state/journal.ts";
import { freeze, frozen, pause, pausedRows, recording, span } from "../../state/viewpoint.ts";
import { wordsOf } from "./row-words.ts";

const ROW_HEIGHT = 26;
const MARGIN = 8;
const KEY_STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 };

export function RowList({ rows }: { readonly rows: readonly Row[] }) {
  const place = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const height = useHeight(place);
  const row = frozen.value;
  const chosen = indexOf(rows, row);
  const isLive = pausedRows.value === null && recording.value === null;
  useScrolling(place, chosen, isLive);

  const choose = (index: number): void => {
    const next = rows[rows.length - 1 - index];
    if (next !== undefined) freeze(next);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = KEY_STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    choose(chosen === -1 ? 0 : Math.min(rows.length - 1, Math.max(0, chosen + step)));
  };
  const onScroll = (): void => {
    setTop(place.current?.scrollTop ?? 0);
    if ((place.current?.scrollTop ?? 0) > ROW_HEIGHT && isLive) pause();
  };
  // ROW_LIST-1
  const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - MARGIN);
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW_HEIGHT) + MARGIN);
  return (
    <div
      ref={place}
      class="rows"
      role="listbox"
      tabIndex={0}
      aria-label={t("log.rows")}
      {...(row === null || chosen === -1 ? {} : { "aria-activedescendant": `row-${row.number}` })}
      onScroll={onScroll}
      onKeyDown={onKeyDown}
    >
      <div role="presentation" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
        {Array.from({ length: Math.max(0, last - first) }, (_, offset) => {
          const index = first + offset;
          const shown = rows[rows.length - 1 - index];
          if (shown === undefined) return null;
          return (
            <RowOption key={shown.number} row={shown} index={index} total={rows.length} isChosen={index === chosen} />
          );
        })}
      </div>
    </div>
  );
}

/** A row's place in the list, newest first; -1 if the list does not contain it. */
function indexOf(rows: readonly Row[], row: Row | null): number {
  const at = row === null ? -1 : rows.findLastIndex((one) => one.number === row.number);
  return at === -1 ? -1 : rows.length - 1 - at;
}

interface RowOptionProps {
  readonly row: Row;
  readonly index: number;
  readonly total: number;
  readonly isChosen: boolean;
}

function RowOption({ row, index, total, isChosen }: RowOptionProps) {
  const { who, what, where } = wordsOf(row);
  const range = span.value;
  const isInSpan = range !== null && row.number >= range.from && row.number <= range.to;
  const tone = toneOfRow(row);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the list box handles the keys
    <div
      id={`row-${row.number}`}
      class={`row row-${row.kind}${isInSpan ? " in-span" : ""}`}
      role="option"
      tabIndex={-1}
      aria-selected={isChosen}
      aria-setsize={total}
      aria-posinset={index + 1}
      data-row={row.number}
      style={{ top: `${index * ROW_HEIGHT}px` }}
      onClick={(event) => onClick(event, row)}
    >
      <span class="row-time">{clockTime(row.ts)}</span>
      <span class="row-who">{who}</span>
      <span class="row-what">{what}</span>
      <span class="row-where">
        {tone !== null && <Shape tone={tone} />}
        {where}
      </span>
    </div>
  );
}

function onClick(event: MouseEvent, row: Row): void {
  // ROW_LIST-2
  const before = frozen.peek();
  if (event.shiftKey && before !== null) {
    span.value = { from: Math.min(before.number, row.number), to: Math.max(before.number, row.number) };
    return;
  }
  span.value = null;
  freeze(row);
}

function toneOfRow({ kind, event, step }: Row): Tone | null {
  if (kind === "gap") return "warn";
  if (step !== null) {
    if (step.step === "acknowledged" || step.step === "processed") return "ok";
    return step.step === "publish_failed" || step.step === "rejected" || step.step === "refused" ? "bad" : null;
  }
  return event.kind === "deliveries" ? null : toneOfValue(event.value);
}

/** Scrolls to the chosen row, and to the newest one when the list is live again. */
function useScrolling(place: { readonly current: HTMLDivElement | null }, chosen: number, isLive: boolean): void {
  useEffect(() => {
    if (chosen !== -1) keepInSight(place.current, chosen);
  }, [chosen]);
  useEffect(() => {
    if (isLive && place.current !== null) place.current.scrollTop = 0;
  }, [isLive]);
}

function keepInSight(place: HTMLElement | null, index: number): void {
  if (place === null) return;
  const from = index * ROW_HEIGHT;
  if (from < place.scrollTop) place.scrollTop = from;
  else if (from + ROW_HEIGHT > place.scrollTop + place.clientHeight) {
    place.scrollTop = from + ROW_HEIGHT - place.clientHeight;
  }
}

function useHeight(place: { readonly current: HTMLDivElement | null }): number {
  const [height, setHeight] = useState(600);
  useEffect(() => {
    if (place.current === null) return;
    const watch = new ResizeObserver(([entry]) => setHeight(entry?.contentRect.height ?? 600));
    watch.observe(place.current);
    return () => watch.disconnect();
  }, []);
  return height;
}
