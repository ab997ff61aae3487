/**
 * From where one looks: at what happens now, at a row of the journal (time travel), or at a recording.
 *
 * Invariant: a paused or frozen view holds rows of its own: nothing that happens meanwhile moves or drops them.
 */
import type { MachineDefinition } from "@acktor/shared/inspect/wire";
import { computed, signal } from "@preact/signals";
import { actorOf, Fleet, type LiveActor } from "./fleet.ts";
import { type Row, stateAt } from "./journal.ts";
import { definitions, fleet, journal, pulse } from "./live.ts";
import type { Recording } from "./recording.ts";

export const recording = signal<Recording | null>(null);
/** Rows as they were when the reader stopped them; null: they go on. */
export const pausedRows = signal<readonly Row[] | null>(null);
/** The row that chart and context are frozen at. */
export const frozen = signal<Row | null>(null);

export const rows = computed<readonly Row[]>(() => {
  if (recording.value !== null) return recording.value.journal.rows;
  if (pausedRows.value !== null) return pausedRows.value;
  pulse.value;
  // The journal changes its array in place; who compares must see another one.
  return journal.rows.slice();
});

/** Rows that came while the view was paused. */
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

/** Freezes at a row, and stops the rows with it. */
export function freeze(row: Row): void {
  if (recording.value === null) pause();
  frozen.value = row;
}

/** Back to what happens now. */
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
 * An actor as it stood at the frozen row; null when that cannot be known. Where no event of it is kept at all it has not
 * moved since, and stands as it stands now.
 */
function actorAtFrozen(key: string, row: Row): LiveActor | null {
  const event = stateAt(rows.value, key, row.number);
  if (event !== null) return actorOf(event);
  const hasMoved = stateAt(rows.value, key, Number.POSITIVE_INFINITY) !== null;
  return hasMoved || recording.value !== null ? null : actorNow(key);
}

/** Every actor as the recording has it, up to the frozen row; live, the fleet itself. */
export const seenFleet = computed<Fleet>(() => {
  const opened = recording.value;
  if (opened === null) return fleet;
  const until = frozen.value?.number ?? Number.POSITIVE_INFINITY;
  const folded = new Fleet();
  for (const { event, number } of opened.journal.rows) if (number <= until) folded.takeEvent(event);
  return folded;
});

/** An actor as it is to be shown: at the frozen row, or as last heard of. */
export function actorSeen(key: string): LiveActor | null {
  const row = frozen.value;
  return row === null ? actorNow(key) : actorAtFrozen(key, row);
}

function actorNow(key: string): LiveActor | null {
  const place = key.lastIndexOf("/");
  return seenFleet.value.get(key.slice(0, place))?.actors.get(key.slice(place + 1)) ?? null;
}

/** The window that a reader selected, by row numbers; null: what is around the frozen row. */
export const span = signal<{ readonly from: number; readonly to: number } | null>(null);
