/** An event of `GET /v1/events` as text. */
import type {
  ActorEvent,
  BusView,
  InspectEvent,
  InstanceGone,
  InstanceSnapshot,
  MachinesView,
  StateValue,
  StreamEvents,
} from "@acktor/shared/inspect/wire";
import { definitionFault, eventFault, goneFault, snapshotFault } from "@acktor/shared/inspect/wire-form";
import { printableCopy } from "@acktor/shared/runtime/printable";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";

/** One line of `--json` and of a recording. */
export type WatchLine = {
  [K in keyof StreamEvents]: { readonly event: K; readonly at: number; readonly data: StreamEvents[K] };
}[keyof StreamEvents];

const NAMES: ReadonlySet<string> = new Set<keyof StreamEvents>(["snapshot", "inspect", "instance", "gone", "bus"]);

export function isWatched(name: string): name is keyof StreamEvents {
  return NAMES.has(name);
}

/** Data of the stream as a line, without the parts that do not match wire.ts; null if nothing is left. */
export function asWatched(event: keyof StreamEvents, data: Readonly<Record<string, unknown>>): WatchLine | null {
  const at = Date.now();
  switch (event) {
    case "snapshot": {
      const listed = (name: string): readonly unknown[] => (Array.isArray(data[name]) ? data[name] : []);
      const instances = listed("instances").filter((one) => snapshotFault(one) === null) as InstanceSnapshot[];
      const definitions = listed("definitions").filter((one) => definitionFault(one) === null);
      const known = instances.map((one) => withoutInvalid(one));
      return { event, at, data: { ...data, instances: known, definitions } as unknown as MachinesView };
    }
    case "inspect":
      return eventFault(data) === null ? { event, at, data: data as unknown as InspectEvent } : null;
    case "instance":
      return snapshotFault(data) === null ? { event, at, data: data as unknown as InstanceSnapshot } : null;
    case "gone":
      return goneFault(data) === null ? { event, at, data: data as unknown as InstanceGone } : null;
    case "bus":
      return { event, at, data: data as unknown as BusView };
  }
}

function withoutInvalid({ recent, ...snapshot }: InstanceSnapshot): InstanceSnapshot {
  return recent === undefined ? snapshot : { ...snapshot, recent: recent.filter((one) => eventFault(one) === null) };
}

/** Prints an event: as a line of JSON, or as text. */
export function showEvent(line: WatchLine, session: Session, all: boolean): void {
  if (session.json) session.terminal.json(line);
  else for (const text of describeEvent(printableCopy(line), session, all)) session.terminal.out(text);
}

/** No line for an event without news. @param all also periodic work */
function describeEvent(line: WatchLine, session: Session, all: boolean): string[] {
  const { texts } = session;
  switch (line.event) {
    case "snapshot":
      return describeSnapshot(line.data, line.at, session);
    case "inspect":
      return describeInspect(line.data, session, all);
    case "gone":
      return [entry(session, line.data.ts, name(line.data), `${texts.watch.gone} (${printable(line.data.why)})`)];
    case "bus":
      return [
        entry(
          session,
          line.at,
          "bus",
          `${line.data.kind} ${line.data.connected ? texts.watch.busUp : texts.watch.busDown}`,
        ),
      ];
    case "instance":
      return [];
  }
}

function describeSnapshot({ instances }: MachinesView, at: number, session: Session): string[] {
  return instances.flatMap((instance) => [
    entry(session, at, name(instance), session.texts.watch.here),
    ...instance.actors.map((actor) =>
      entry(session, at, `${name(instance)} ${printable(actor.actor)}`, showValue(actor.value)),
    ),
  ]);
}

function describeInspect(event: InspectEvent, session: Session, all: boolean): string[] {
  const who = name(event);
  if (event.kind === "deliveries") {
    const counts = Object.entries(event.counts).map(([step, count]) => `${step} ${count}`);
    return [entry(session, event.ts, who, counts.join(", "))];
  }
  // The context changes ten times a second.
  if (event.kind === "context" || (!all && isRoutine(event))) return [];
  const actor = `${who} ${printable(event.actor)}`;
  const by = event.event === null ? event.kind : printable(event.event, 80);
  return [entry(session, event.ts, actor, `${showValue(event.value)} ${session.terminal.paint("faint", by)}`)];
}

/** Timers of periodic roles and of the dispatcher, several times a second. */
function isRoutine({ machine, event }: ActorEvent): boolean {
  return (machine === "periodic" || machine === "dispatcher") && (event === null || event.startsWith("xstate."));
}

function entry({ terminal }: Session, ts: number, who: string, what: string): string {
  return `${terminal.paint("faint", clockTime(ts))} ${who}  ${what}`;
}

/** `20:15:03.123`, UTC. */
function clockTime(ts: number): string {
  return Number.isFinite(ts) && Math.abs(ts) < 8.64e15 ? new Date(ts).toISOString().slice(11, 23) : "?";
}

function name({
  service,
  instance,
}: Pick<InstanceSnapshot | InstanceGone | InspectEvent, "service" | "instance">): string {
  return `${printable(service)} ${printable(instance)}`;
}

/** `CONNECTED`; with regions `connection.CONNECTED breaker.CLOSED`. */
export function showValue(value: StateValue): string {
  if (typeof value === "string") return printable(value);
  return Object.entries(value)
    .map(([region, inner]) => `${printable(region)}.${showValue(inner)}`)
    .join(" ");
}
