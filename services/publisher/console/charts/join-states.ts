/**
 * The lines of a chart: a machine's transitions, grouped by the state whose children they join.
 *
 * Every transition is on one line, or in the box of the state that it does not leave. Transitions between the same two
 * states share a line, in the machine's order. A line joins two children of one state; a transition from a deeper state
 * begins at the child that contains it.
 */
import type { EdgeDefinition, MachineDefinition, StateDefinition } from "@acktor/shared/inspect/wire";

/** Starting points of lines that are not states. */
export const ANY = "any";
export const INITIAL = "initial";

export interface Join {
  /** A state's id, `ANY` or `INITIAL`. */
  readonly from: string;
  readonly to: string;
  readonly edges: readonly EdgeDefinition[];
}

/** A state, the transitions in its box, and the lines between its children. */
export interface Level {
  readonly state: StateDefinition;
  readonly children: readonly StateDefinition[];
  readonly joins: readonly Join[];
  /** Transitions that stay in the state or enter it again. */
  readonly staying: readonly EdgeDefinition[];
  /** It has delays, whose countdown needs room. */
  readonly waits: boolean;
}

/** Every state's level, by its id. */
export function levelsOf(definition: MachineDefinition): Map<string, Level> {
  const parents = new Map(definition.states.map(({ id, parent }) => [id, parent]));
  const placed = definition.edges.map((edge) => ({ edge, ...placeOf(edge, parents) }));
  return new Map(
    definition.states.map((state) => {
      const here = placed.filter(({ at }) => at === state.id);
      const start = state.initial === null ? [] : [{ from: INITIAL, to: state.initial, edges: [] }];
      const level = {
        state,
        children: definition.states.filter(({ parent }) => parent === state.id),
        joins: [...start, ...grouped(here)],
        staying: here.filter(({ ends }) => ends === null).map(({ edge }) => edge),
        waits: definition.edges.some(({ source, kind }) => source === state.id && kind === "after"),
      };
      return [state.id, level] as const;
    }),
  );
}

export function levelOf(levels: ReadonlyMap<string, Level>, id: string): Level {
  const level = levels.get(id);
  if (level === undefined) throw new Error(`there is no state ${id}`);
  return level;
}

interface Place {
  /** The state whose children are joined; without ends, the state in whose box the transition is written. */
  readonly at: string;
  readonly ends: { readonly from: string; readonly to: string } | null;
}

function placeOf({ id, source, target }: EdgeDefinition, parents: ReadonlyMap<string, string | null>): Place {
  const from = pathOf(source, parents);
  const to = target === null ? from : pathOf(target, parents);
  const split = to.findIndex((one, at) => one !== from[at]);
  if (split < 0) return { at: source, ends: null };
  const at = to[split - 1];
  const [begin, end] = [from[split], to[split]];
  if (at === undefined || end === undefined) throw new Error(`${id} joins nothing`);
  if (begin !== undefined) return { at, ends: { from: begin, to: end } };
  // From a state to one of its descendants: drawn at the target.
  return { at: to.at(-2) ?? at, ends: { from: ANY, to: to.at(-1) ?? end } };
}

/** A state's ancestors from the root down to itself. */
function pathOf(id: string, parents: ReadonlyMap<string, string | null>): string[] {
  const parent = parents.get(id) ?? null;
  return parent === null ? [id] : [...pathOf(parent, parents), id];
}

function grouped(placed: readonly (Place & { readonly edge: EdgeDefinition })[]): Join[] {
  const joins = new Map<string, { from: string; to: string; edges: EdgeDefinition[] }>();
  for (const { ends, edge } of placed) {
    if (ends === null) continue;
    const key = `${ends.from} ${ends.to}`;
    const known = joins.get(key);
    if (known === undefined) joins.set(key, { ...ends, edges: [edge] });
    else known.edges.push(edge);
  }
  return [...joins.values()];
}
