/**
 * One log line for each transition of a machine, none for a poll. The link says its own (`service-link.ts`); this is for
 * machines that move seldom.
 */
import type { AnyActor } from "xstate";
import type { Logger } from "../runtime/logger.ts";

/** Moves that are the machine's daily round; they are not logged. */
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
  // The move into a final state is inspected after its completion was told.
  const end = (): void => queueMicrotask(() => inspection.unsubscribe());
  actor.subscribe({ complete: end, error: end });
}

function stateOf(actor: AnyActor): string {
  const { value } = actor.getSnapshot() as { readonly value: unknown };
  return typeof value === "string" ? value : JSON.stringify(value);
}
