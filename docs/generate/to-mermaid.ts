/**
 * A machine's definition as a Mermaid `stateDiagram-v2`: states, nested regions, and every transition that can leave a
 * state.
 *
 * Invariants:
 *  1. Only what moves is drawn: a transition without a target runs actions and stays where it is.
 *  2. A transition of a parent is drawn from each child that does not take its event unconditionally, because Mermaid
 *     draws no edge from a composite state into itself.
 *  3. The order is the machine's own, so the text changes only when the machine does.
 */
import type { EdgeDefinition, MachineDefinition, StateDefinition } from "@acktor/shared/inspect/wire";
import { trigger } from "../../services/publisher/console/src/chart/label.ts";

interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly label: string;
}

/** The whole diagram of a machine. */
export function toMermaid(definition: MachineDefinition): string {
  const [root] = definition.states;
  const arrows = definition.states.flatMap((state) => arrowsOf(state, definition));
  const lines = root === undefined ? [] : body(root, definition, arrows, "  ");
  return `${["stateDiagram-v2", ...lines].join("\n")}\n`;
}

function body(
  state: StateDefinition,
  definition: MachineDefinition,
  arrows: readonly Arrow[],
  indent: string,
): string[] {
  const name = namesIn(definition);
  const children = definition.states.filter(({ parent }) => parent === state.id);
  const lines = state.initial === null ? [] : [`${indent}[*] --> ${name(state.initial)}`];
  for (const child of children) {
    const inner = body(child, definition, arrows, `${indent}  `);
    if (inner.length > 0) lines.push(`${indent}state ${name(child.id)} {`, ...inner, `${indent}}`);
    for (const [to, labels] of byTarget(arrows.filter(({ from }) => from === child.id))) {
      lines.push(`${indent}${name(child.id)} --> ${name(to)}: ${[...new Set(labels)].join("<br/>")}`);
    }
    if (child.type === "final") lines.push(`${indent}${name(child.id)} --> [*]`);
  }
  return lines;
}

/** Mermaid knows states by one name in the whole diagram: the key where it is the only one, else the whole id. */
function namesIn({ states }: MachineDefinition): (id: string) => string {
  return (id) => {
    const key = states.find((state) => state.id === id)?.key ?? id;
    const isAlone = states.filter((state) => state.key === key).length === 1;
    return isAlone ? key : id.replaceAll(".", "_");
  };
}

function byTarget(arrows: readonly Arrow[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { to, label } of arrows) groups.set(to, [...(groups.get(to) ?? []), label]);
  return groups;
}

/** What can leave an innermost state: its own transitions, then those of the states that it lies in, from the inside. */
function arrowsOf(state: StateDefinition, { states, edges }: MachineDefinition): Arrow[] {
  if (states.some(({ parent }) => parent === state.id)) return [];
  const arrows: Arrow[] = [];
  const taken = new Set<string>();
  for (const source of upwards(state, states)) {
    const open = edges.filter((edge) => edge.source === source.id && !taken.has(eventOf(edge)));
    for (const edge of open) if (isDrawn(edge, state, source)) arrows.push(toArrow(edge, state));
    for (const edge of open) if (edge.guard === null) taken.add(eventOf(edge));
  }
  return arrows;
}

function* upwards(state: StateDefinition, states: readonly StateDefinition[]): Generator<StateDefinition> {
  yield state;
  const parent = states.find(({ id }) => id === state.parent);
  if (parent !== undefined) yield* upwards(parent, states);
}

/** The same event at a child and at its parent; XState's own events belong to the state that waits for them. */
function eventOf({ kind, label, source }: EdgeDefinition): string {
  return kind === "event" ? label : `${kind} ${label} ${source}`;
}

function isDrawn({ target }: EdgeDefinition, state: StateDefinition, source: StateDefinition): boolean {
  if (target === null) return false;
  // What a parent's transition enters is distinguished from its sibling states; those of another region stay as they are.
  return source === state || (target !== state.id && regionOf(target) === regionOf(state.id));
}

/** The id without its last level: states of one region, or of one composite, share it. */
function regionOf(id: string): string {
  return id.slice(0, id.lastIndexOf("."));
}

function toArrow(edge: EdgeDefinition, { id }: StateDefinition): Arrow {
  const guard = edge.guard === null ? "" : ` [${edge.guard}]`;
  return { from: id, to: edge.target ?? id, label: `${trigger(edge)}${guard}` };
}
