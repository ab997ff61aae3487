/**
 * Logs each transition of a machine, except routine ones. For machines that move seldom; the link has its own log lines
 * (`service-link.ts`).
 */
import type { AnyActor } from "xstate";
import type { Logger } from "../runtime/logger.ts";

/** Routine moves of a machine, which are not logged. */
export type IsRoutine = (from: string, to: string) => boolean;

/** Follows an actor that has just been started, until it ends. */
export function logTransitions(
  actor: AnyActor,
  name: string,
  logger: Logger,
  isRoutine: IsRoutine = () => false,
): void {
  let last = stateOf(actor);
  // Inspection costs per event, and these machines see few: no message is an event of a machine.
  const inspection = actor.system.inspect((inspected) => {
    if (inspected.type !== "@xstate.snapshot" || inspected.actorRef !== actor) return;
    const [from, to] = [last, stateOf(actor)];
    last = to;
    if (from === to || isRoutine(from, to)) return;
    logger.info({ actor: name, from, to, event: inspected.event.type }, `${name} ${from} → ${to}`);
  });
  // XState inspects the move into a final state after the completion.
  const end = (): void => queueMicrotask(() => inspection.unsubscribe());
  actor.subscribe({ complete: end, error: end });
}

function stateOf(actor: AnyActor): string {
  const { value } = actor.getSnapshot() as { readonly value: unknown };
  return typeof value === "string" ? value : JSON.stringify(value);
}
