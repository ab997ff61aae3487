/**
 * What the page shows: now, a row of the journal (time travel), or a recording.
 *
 * Invariants:
 *  VIEWPOINT-1. A paused or frozen view has its own copy of the rows: new events neither move nor drop them.
 */
import type { MachineDefinition } from "@acktor/shared/inspect/wire";
import { computed, signal } from "@preact/signals";
import { actorOf, Fleet, type LiveActor } from "./fleet.ts";
import { type Row, stateAt } from "./journal.ts";
import { definitions, fleet, journal, pulse } from "./live.ts";
import type { Recording } from "./recording.ts";

export const recording = signal<Recording | null>(null);
/** The rows at the time of the pause; null: not paused. VIEWPOINT-1 */
export const pausedRows = signal<readonly Row[] | null>(null);
/** The row at which chart and context are frozen. */
export const frozen = signal<Row | null>(null);

export const rows = computed<readonly Row[]>(() => {
  if (recording.value !== null) return recording.value.journal.rows;
  if (pausedRows.value !== null) return pausedRows.value;
  pulse.value;
  // The journal changes its array in place; a comparison must see a new array.
  return journal.rows.slice();
});

/** Number of rows that arrived during the pause. */
export const behind = computed(() => {
  pulse.value;
  const last = pausedRows.value?.at(-1)?.number;
  return last === undefined ? 0 : (journal.rows.at(-1)?.number ?? last) - last;
});

export const charts = computed<ReadonlyMap<string, MachineDefinition>>(() => {
  const recorded = recording.value?.definitions;
  return recorded === undefined ? definitions.value : new Map(recorded.map((chart) => [chart.id, chart]));
});

export function pause(): void {
  pausedRows.value ??= journal.rows.slice();
}

/** Freezes at a row, and pauses the rows. */
export function freeze(row: Row): void {
  if (recording.value === null) pause();
  frozen.value = row;
}

/** Returns to now. */
export function thaw(): void {
  span.value = null;
  frozen.value = null;
  pausedRows.value = null;
}

export function open(opened: Recording | null): void {
  thaw();
  recording.value = opened;
}

/**
 * An actor at the frozen row; null if its state is not known. An actor without any event in the journal has not changed, so
 * its present state is shown.
 */
function actorAtFrozen(key: string, row: Row): LiveActor | null {
  const event = stateAt(rows.value, key, row.number);
  if (event !== null) return actorOf(event);
  const hasMoved = stateAt(rows.value, key, Number.POSITIVE_INFINITY) !== null;
  return hasMoved || recording.value !== null ? null : actorNow(key);
}

/** The fleet of the recording up to the frozen row; without a recording the live fleet. */
export const seenFleet = computed<Fleet>(() => {
  const opened = recording.value;
  if (opened === null) return fleet;
  const until = frozen.value?.number ?? Number.POSITIVE_INFINITY;
  const folded = new Fleet();
  for (const { event, number } of opened.journal.rows) if (number <= until) folded.takeEvent(event);
  return folded;
});

/** An actor at the frozen row, or in its last known state. */
export function actorSeen(key: string): LiveActor | null {
  const row = frozen.value;
  return row === null ? actorNow(key) : actorAtFrozen(key, row);
}

function actorNow(key: string): LiveActor | null {
  const place = key.lastIndexOf("/");
  return seenFleet.value.get(key.slice(0, place))?.actors.get(key.slice(place + 1)) ?? null;
}

/** The rows that the reader selected, by number; null: those around the frozen row. */
export const span = signal<{ readonly from: number; readonly to: number } | null>(null);
