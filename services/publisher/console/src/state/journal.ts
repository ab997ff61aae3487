/**
 * Events of machines and steps of messages as rows, oldest first.
 *
 * Invariants:
 *  JOURNAL-1. At most MAX_ROWS rows (10 % more between two clean-ups), or those of the last event. An event is dropped with
 *             all its rows.
 *  JOURNAL-2. Rows depend only on the events in their order of arrival, and on the number of events lost before each. An
 *             opened recording has the rows that were saved.
 *  JOURNAL-3. A known event (same boot, no higher number) adds no row.
 */
import type { ActorEvent, DeliveryEntry, InspectEvent } from "@acktor/shared/inspect/wire";

export const MAX_ROWS = 5_000;

export interface Row {
  /** Rises by one per row of this journal. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly ts: number;
  readonly event: InspectEvent;
  /** `step` belongs to a message, `counts` has steps that were only counted, `gap` stands for lost events. */
  readonly kind: "actor" | "step" | "counts" | "gap";
  readonly step: DeliveryEntry | null;
  /** Events lost before this one; 0 except for `gap`. */
  readonly lost: number;
}

export class Journal {
  #rows: Row[] = [];
  /** How many rows each event has, oldest first. */
  #kept: number[] = [];
  #next = 0;
  /** Per boot, the number of the last event. */
  readonly #seen = new Map<string, number>();

  get rows(): readonly Row[] {
    return this.#rows;
  }

  /**
   * @param lost number of missing events before it, if it is known better than by the event's number
   * @returns whether the event was new
   */
  add(event: InspectEvent, lost?: number): boolean {
    const last = this.#seen.get(event.boot);
    if (last !== undefined && event.seq <= last) return false; // JOURNAL-3
    this.#seen.set(event.boot, event.seq);
    const rows = this.#rowsOf(event, lost ?? (last === undefined ? 0 : event.seq - last - 1));
    this.#rows.push(...rows);
    this.#kept.push(rows.length);
    if (this.#rows.length > MAX_ROWS * 1.1) this.#forgetOldest();
    return true;
  }

  /** Events up to this number are known from a snapshot: their absence is not a loss. */
  skipTo(boot: string, seq: number): void {
    this.#seen.set(boot, Math.max(seq, this.#seen.get(boot) ?? 0));
  }

  /** Whether an event of this boot was seen. */
  knows(boot: string): boolean {
    return this.#seen.has(boot);
  }

  /** JOURNAL-1. Drops a tenth at a time, so that not every row moves all others. */
  #forgetOldest(): void {
    let rows = 0;
    let events = 0;
    while (this.#rows.length - rows > MAX_ROWS && events < this.#kept.length - 1) rows += this.#kept[events++] ?? 0;
    this.#rows = this.#rows.slice(rows);
    this.#kept = this.#kept.slice(events);
  }

  #rowsOf(event: InspectEvent, lost: number): Row[] {
    // JOURNAL-2
    const row = (kind: Row["kind"], ts: number, step: DeliveryEntry | null = null): Row => {
      return { number: this.#next++, ts, event, kind, step, lost: kind === "gap" ? lost : 0 };
    };
    const rows = lost > 0 ? [row("gap", event.ts)] : [];
    if (event.kind !== "deliveries") return [...rows, row("actor", event.ts)];
    rows.push(...event.steps.map((step) => row("step", step.ts, step)));
    if (onlyCounted(event) > 0 || rows.length === 0) rows.push(row("counts", event.ts));
    return rows;
  }
}

/** Number of steps that an event only counts. */
export function onlyCounted(event: InspectEvent): number {
  if (event.kind !== "deliveries") return 0;
  const counted = Object.values(event.counts).reduce((sum, count) => sum + (count ?? 0), 0);
  return Math.max(0, counted - event.steps.length);
}

/** An actor's unique name: service, instance and role. */
export function actorKey({ service, instance, actor }: Pick<ActorEvent, "service" | "instance" | "actor">): string {
  return `${service}/${instance}/${actor}`;
}

/** An actor's last event up to a row; null if the journal has none. */
export function stateAt(rows: readonly Row[], key: string, number: number): ActorEvent | null {
  for (let at = rows.length - 1; at >= 0; at--) {
    const row = rows[at];
    if (row === undefined || row.number > number || row.event.kind === "deliveries") continue;
    if (actorKey(row.event) === key) return row.event;
  }
  return null;
}
