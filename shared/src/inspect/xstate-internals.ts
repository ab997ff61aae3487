/**
 * Reads what XState (5.33.3) does not publish: the transitions of a microstep, and the running timers. The only file that uses its
 * private parts; a test checks each of them with every machine of acktor.
 */
import type { AnyActor, InspectionEvent } from "xstate";
import { type ChartTransition, edgeId } from "./describe-machine.ts";
import type { RunningDelay } from "./wire.ts";

interface ScheduledEvent {
  readonly source: unknown;
  readonly event: { readonly type: string };
  /** Milliseconds. */
  readonly delay: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** Ids of the edges that were taken, in order; empty for other inspection events and for an event without a transition. */
export function takenEdges(event: InspectionEvent): string[] {
  if (event.type !== "@xstate.microstep") return [];
  const { _transitions: transitions } = event as { readonly _transitions?: readonly ChartTransition[] };
  return (transitions ?? []).map(edgeId).filter((id) => id !== null);
}

/** The delays of `after` that run in an actor now. Delayed events of other kinds are left out. */
export function runningDelays(actor: AnyActor): RunningDelay[] {
  const { _scheduledEvents } = actor.system.getSnapshot() as {
    readonly _scheduledEvents: Readonly<Record<string, ScheduledEvent>>;
  };
  const delays: RunningDelay[] = [];
  for (const { source, event, delay, startedAt } of Object.values(_scheduledEvents)) {
    const [, name, state] = /^xstate\.after\.([^.]+)\.(.+)$/.exec(event.type) ?? [];
    if (source !== actor || name === undefined || state === undefined) continue;
    delays.push({ state, delay: name, startedAt, endsAt: startedAt + delay });
  }
  return delays;
}
