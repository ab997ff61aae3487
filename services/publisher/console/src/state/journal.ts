/**
 * What happened, row by row: events of machines and steps of messages, bounded, oldest first.
 *
 * Invariants:
 *  1. At most MAX_ROWS rows, or the last event's if those are more; an event leaves with all its rows.
 *  2. Rows follow from events in the order in which they came, and from how many were lost before each; every event has
 *     a row. So a recording that is opened gives the rows that were there when it was saved.
 *  3. An event that is known already (same boot, not newer) gives no row.
 */
import type { ActorEvent, DeliveryEntry, InspectEvent } from "@acktor/shared/inspect/wire";

export const MAX_ROWS = 5_000;

export interface Row {
  /** Rises by one per row of this journal. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly ts: number;
  readonly event: InspectEvent;
  /** `step` belongs to a message, `counts` tells of steps that were not told singly, `gap` of events that were lost. */
  readonly kind: "actor" | "step" | "counts" | "gap";
  readonly step: DeliveryEntry | null;
  /** Events lost before this one; 0 but for `gap`. */
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
   * @param lost events that are missing before it, where that is known better than by its number
   * @returns whether the event was new
   */
  add(event: InspectEvent, lost?: number): boolean {
    const last = this.#seen.get(event.boot);
    if (last !== undefined && event.seq <= last) return false;
    this.#seen.set(event.boot, event.seq);
    const rows = this.#rowsOf(event, lost ?? (last === undefined ? 0 : event.seq - last - 1));
    this.#rows.push(...rows);
    this.#kept.push(rows.length);
    if (this.#rows.length > MAX_ROWS * 1.1) this.#forgetOldest();
    return true;
  }

  /** What came up to an event is known otherwise: its absence is no loss. */
  skipTo(boot: string, seq: number): void {
    this.#seen.set(boot, Math.max(seq, this.#seen.get(boot) ?? 0));
  }

  /** Whether some event of a boot was seen. */
  knows(boot: string): boolean {
    return this.#seen.has(boot);
  }

  /** A tenth is forgotten at a time, so that a row costs no move of all others. */
  #forgetOldest(): void {
    let rows = 0;
    let events = 0;
    while (this.#rows.length - rows > MAX_ROWS && events < this.#kept.length - 1) rows += this.#kept[events++] ?? 0;
    this.#rows = this.#rows.slice(rows);
    this.#kept = this.#kept.slice(events);
  }

  #rowsOf(event: InspectEvent, lost: number): Row[] {
    const row = (kind: Row["kind"], ts: number, step: DeliveryEntry | null = null): Row => {
      return { number: this.#next++, ts, event, kind, step, lost: kind === "gap" ? lost : 0 };
    };
    const rows = lost > 0 ? [row("gap", event.ts)] : [];
    if (event.kind !== "deliveries") return [...rows, row("actor", event.ts)];
    rows.push(...event.steps.map((step) => row("step", step.ts, step)));
    if (untold(event) > 0 || rows.length === 0) rows.push(row("counts", event.ts));
    return rows;
  }
}

/** Steps that an event counts and does not tell. */
export function untold(event: InspectEvent): number {
  if (event.kind !== "deliveries") return 0;
  const counted = Object.values(event.counts).reduce((sum, count) => sum + (count ?? 0), 0);
  return Math.max(0, counted - event.steps.length);
}

/** The name of an actor among all: who runs it, and its role. */
export function actorKey({ service, instance, actor }: Pick<ActorEvent, "service" | "instance" | "actor">): string {
  return `${service}/${instance}/${actor}`;
}

/** An actor's last event up to a row, or null when none is kept. */
export function stateAt(rows: readonly Row[], key: string, number: number): ActorEvent | null {
  for (let at = rows.length - 1; at >= 0; at--) {
    const row = rows[at];
    if (row === undefined || row.number > number || row.event.kind === "deliveries") continue;
    if (actorKey(row.event) === key) return row.event;
  }
  return null;
}
