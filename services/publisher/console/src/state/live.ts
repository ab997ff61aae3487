/**
 * The event stream, and what it updates: fleet, journal, charts, the state of the bus.
 *
 * Invariants:
 *  LIVE-1. While the stream is lost, the last state stays visible and is marked stale.
 *
 * Unknown and invalid events are skipped. Views are redrawn by `pulse`, at most once per frame.
 */
import type {
  BusView,
  InspectEvent,
  InstanceGone,
  InstanceSnapshot,
  MachineDefinition,
  MachinesView,
} from "@acktor/shared/inspect/wire";
import { definitionFault, eventFault, goneFault, snapshotFault } from "@acktor/shared/inspect/wire-form";
import { effect, signal } from "@preact/signals";
import { readEvents } from "../api/event-stream.ts";
import { Fleet } from "./fleet.ts";
import { drawer } from "./frames.ts";
import { Journal } from "./journal.ts";
import { isKnown, mayReadAll } from "./me.ts";
import { isRefused, logins } from "./session.ts";

/** The interval between checks for silent instances. */
const LOOK_EVERY_MS = 500;

export type StreamState = { readonly kind: "connecting" | "live" } | { readonly kind: "stale"; readonly since: number };

export const fleet = new Fleet();
export const journal = new Journal();
export const definitions = signal<ReadonlyMap<string, MachineDefinition>>(new Map());
export const bus = signal<BusView | null>(null);
export const stream = signal<StreamState>({ kind: "connecting" });
/** Rises when fleet or journal changed. */
export const pulse = signal(0);

const changed = drawer(() => {
  pulse.value++;
});

/** Starts the stream, again with each login. @returns a function that stops it */
export function followEvents(): () => void {
  return effect(() => {
    logins.value;
    // Until the scopes are known, a stream that would be refused is not opened.
    if (isRefused.value || !isKnown.value || !mayReadAll()) return;
    const stop = readEvents("/v1/events", {
      onEvent: take,
      onOpen: () => {
        stream.value = { kind: "live" };
      },
      onLost: () => {
        // LIVE-1
        if (stream.peek().kind !== "stale") stream.value = { kind: "stale", since: Date.now() };
      },
    });
    const timer = setInterval(markSilent, LOOK_EVERY_MS);
    return () => {
      stop();
      clearInterval(timer);
    };
  });
}

/** While the stream is lost or partial, silence says nothing about an instance. */
function markSilent(): void {
  if (stream.peek().kind !== "live" || bus.peek()?.partial === true) fleet.trustAll();
  else if (fleet.markSilent(Date.now())) changed();
}

function take(type: string, data: string): void {
  const value = objectOf(data);
  if (value === null) return;
  if (type === "snapshot") takeMachines(value as unknown as MachinesView);
  else if (type === "bus") bus.value = value as unknown as BusView;
  else if (type === "inspect") takeInspect(value);
  else if (type === "instance" && snapshotFault(value) === null)
    fleet.takeInstance(value as unknown as InstanceSnapshot);
  else if (type === "gone" && goneFault(value) === null) fleet.takeGone(value as unknown as InstanceGone);
  changed();
}

function objectOf(data: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function takeInspect(value: Record<string, unknown>): void {
  if (eventFault(value) !== null) return;
  const event = value as unknown as InspectEvent;
  if (journal.add(event)) fleet.takeEvent(event);
}

function takeMachines(view: MachinesView): void {
  const { bus: state } = view;
  bus.value = state;
  // An invalid instance must not hide the others.
  const instances = listOf(view.instances).filter((one) => snapshotFault(one) === null);
  const charts: readonly MachineDefinition[] = listOf(view.definitions).filter((one) => definitionFault(one) === null);
  definitions.value = new Map(charts.map((chart) => [chart.id, chart]));
  const recent = instances.flatMap((instance) => instance.recent ?? []).filter((one) => eventFault(one) === null);
  // An instance may omit steps and contexts from its recent events: such holes are not losses. Events missed since the
  // stream was lost are.
  const missed = new Set(instances.map(({ boot }) => boot).filter((boot) => journal.knows(boot)));
  for (const event of [...recent].sort((a, b) => a.ts - b.ts || a.seq - b.seq)) {
    if (journal.add(event, missed.has(event.boot) ? undefined : 0)) missed.delete(event.boot);
  }
  for (const { boot, seq } of instances) journal.skipTo(boot, seq);
  fleet.takeAll(instances, Date.now(), state?.partial === true);
}

function listOf<T>(value: readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [];
}
