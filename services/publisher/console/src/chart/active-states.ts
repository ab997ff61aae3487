/** The active states of a chart, by the actor's state value. */
import type { MachineDefinition, StateValue } from "@acktor/shared/inspect/wire";

/** Ids of all active states, including the root and outer ones; states that the definition lacks are omitted. */
export function activeStates(definition: MachineDefinition, value: StateValue): ReadonlySet<string> {
  const known = new Set(definition.states.map(({ id }) => id));
  return new Set([...pathsIn(definition.id, value)].filter((id) => known.has(id)));
}

function* pathsIn(parent: string, value: StateValue): Generator<string> {
  yield parent;
  if (typeof value === "string") {
    yield `${parent}.${value}`;
    return;
  }
  for (const [key, inner] of Object.entries(value)) yield* pathsIn(`${parent}.${key}`, inner);
}
