/**
 * The stream of what happens, and what is known by it: fleet, journal, and whether the view is whole.
 *
 * Invariants:
 *  1. What is shown changes with `pulse`, at most once a frame.
 *  2. While the stream is away everything stays to be seen, marked as stale since then.
 *  3. What is not understood is counted and passed over.
 */
import type { InspectEvent, InstanceSnapshot, MachineDefinition } from "@acktor/shared/inspect/wire";
import { effect, signal } from "@preact/signals";
import { get } from "../api/client.ts";
import { readEvents } from "../api/event-stream.ts";
import { Fleet } from "./fleet.ts";
import { drawer } from "./frames.ts";
import { Journal } from "./journal.ts";
import { isEvent } from "./recording.ts";
import { isRefused, logins } from "./session.ts";

/** How often the whole is asked for beside the stream: who died says nothing. */
const LOOK_EVERY_MS = 3_000;

export interface BusState {
  readonly kind: "local" | "nats";
  readonly connected: boolean;
  readonly partial: boolean;
}

export type StreamState = { readonly kind: "connecting" | "live" } | { readonly kind: "stale"; readonly since: number };

interface Machines {
  readonly instances?: readonly InstanceSnapshot[];
  readonly definitions?: readonly MachineDefinition[];
  readonly bus?: BusState;
}

export const fleet = new Fleet();
export const journal = new Journal();
export const definitions = signal<ReadonlyMap<string, MachineDefinition>>(new Map());
export const bus = signal<BusState | null>(null);
export const stream = signal<StreamState>({ kind: "connecting" });
/** Rises when fleet or journal changed. */
export const pulse = signal(0);
export const ignored = signal(0);

const changed = drawer(() => {
  pulse.value++;
});

/** Begins to follow; begins anew with each login. @returns what ends it */
export function followEvents(): () => void {
  return effect(() => {
    logins.value;
    if (isRefused.value) return;
    const stop = readEvents("/v1/events", {
      onEvent: take,
      onOpen: () => {
        stream.value = { kind: "live" };
      },
      onLost: () => {
        if (stream.peek().kind !== "stale") stream.value = { kind: "stale", since: Date.now() };
      },
    });
    const timer = setInterval(() => void look(), LOOK_EVERY_MS);
    return () => {
      stop();
      clearInterval(timer);
    };
  });
}

async function look(): Promise<void> {
  if (document.hidden) return;
  const answer = await get<Machines>("/v1/machines");
  if (answer.ok) takeMachines(answer.value);
}

function take(type: string, data: string): void {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    ignored.value++;
    return;
  }
  if (typeof value !== "object" || value === null) ignored.value++;
  else if (type === "snapshot") takeMachines(value as Machines);
  else if (type === "bus") bus.value = value as BusState;
  else if (type === "inspect") takeInspect(value as Record<string, unknown>);
}

function takeInspect(value: Record<string, unknown>): void {
  if (!isEvent(value)) {
    ignored.value++;
    return;
  }
  const event = value as unknown as InspectEvent;
  if (!journal.add(event)) return;
  fleet.takeEvent(event);
  changed();
}

function takeMachines({ instances = [], definitions: charts = [], bus: state }: Machines): void {
  if (state !== undefined) bus.value = state;
  if (charts.length > 0 && charts.length !== definitions.peek().size) {
    definitions.value = new Map(charts.map((chart) => [chart.id, chart]));
  }
  const recent = instances.flatMap((instance) => instance.recent ?? []);
  for (const event of [...recent].sort((a, b) => a.ts - b.ts || a.seq - b.seq)) journal.add(event, 0);
  fleet.takeAll(instances, Date.now(), state?.partial ?? false);
  changed();
}
