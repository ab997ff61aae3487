/**
 * A machine as data: the description that the console's charts, the diagrams in the docs and the bus use.
 *
 * Invariants:
 *  DESCRIBE-1. Parents come before their children, in the machine's own order: the same machine has the same description.
 *  DESCRIBE-2. `edgeId` returns the id that the description has for a taken transition, also for a machine made by `provide`.
 *  DESCRIBE-3. An inline function is called `UNNAMED`; no machine of acktor has one.
 */
import type { EdgeDefinition, MachineDefinition, StateDefinition } from "./wire.ts";

/** The part of an XState state node that is read; the library's own class fits it. */
export interface ChartNode {
  readonly id: string;
  readonly key: string;
  readonly type: "atomic" | "compound" | "parallel" | "final" | "history";
  readonly states: Readonly<Record<string, ChartNode>>;
  readonly initial: { readonly target: readonly ChartNode[] } | undefined;
  readonly invoke: readonly { readonly id: string; readonly src: unknown }[];
  /** As it was written: XState adds the timers of `after` to what the node itself enters and leaves with. */
  readonly config: { readonly entry?: unknown; readonly exit?: unknown };
  readonly transitions: ReadonlyMap<string, readonly ChartTransition[]>;
  readonly always?: readonly ChartTransition[] | undefined;
}

/** The part of an XState transition that is read, taken from a node or, at run time, from a microstep. */
export interface ChartTransition {
  readonly target: readonly { readonly id: string }[] | undefined;
  /** The node that the transition belongs to; `StateNode` fits it. */
  readonly source: Pick<ChartNode, "id" | "transitions" | "always">;
  /** "" for `always`; null for the way into the initial state, which is no edge. */
  readonly eventType: string | null;
  readonly guard?: unknown;
  readonly actions: readonly unknown[];
  readonly delay?: unknown;
}

/** DESCRIBE-3 */
export const UNNAMED = "(unnamed)";

/**
 * The description of a machine.
 * @param machine any machine of XState 5; of several targets of one transition the first one counts
 */
export function describeMachine(machine: { readonly id: string; readonly root: ChartNode }): MachineDefinition {
  const nodes = [...withParents(machine.root, null)]; // DESCRIBE-1
  return {
    id: machine.id,
    states: nodes.map(({ node, parent }) => describeState(node, parent)),
    edges: nodes.flatMap(({ node }) => transitionsOf(node).map((transition) => describeEdge(node, transition))),
  };
}

/**
 * The id of a transition in the description of its machine.
 * @param transition of a node, or taken in an `@xstate.microstep`
 * @returns null for the way into an initial state, and for a transition that its source does not have
 */
export function edgeId(transition: ChartTransition): string | null {
  const { source, eventType } = transition; // DESCRIBE-2
  if (eventType === null) return null;
  const place = (eventType === "" ? source.always : source.transitions.get(eventType))?.indexOf(transition) ?? -1;
  return place < 0 ? null : `${source.id}#${eventType === "" ? "always" : eventType}#${place}`;
}

function* withParents(node: ChartNode, parent: string | null): Generator<{ node: ChartNode; parent: string | null }> {
  yield { node, parent };
  for (const child of Object.values(node.states)) yield* withParents(child, node.id);
}

function transitionsOf(node: ChartNode): ChartTransition[] {
  return [...[...node.transitions.values()].flat(), ...(node.always ?? [])];
}

function describeState(node: ChartNode, parent: string | null): StateDefinition {
  return {
    id: node.id,
    key: node.key,
    parent,
    type: node.type === "history" ? "atomic" : node.type,
    initial: node.initial?.target[0]?.id ?? null,
    entry: namesOf(node.config.entry),
    exit: namesOf(node.config.exit),
    invoke: node.invoke.map(actorName),
  };
}

function describeEdge(node: ChartNode, transition: ChartTransition): EdgeDefinition {
  const delay = transition.delay === undefined ? null : String(transition.delay);
  const { kind, label } = read(transition.eventType ?? "", node, delay);
  return {
    id: edgeId(transition) ?? UNNAMED,
    source: node.id,
    target: transition.target?.[0]?.id ?? null,
    kind,
    label,
    guard: transition.guard === undefined ? null : nameOf(transition.guard),
    actions: transition.actions.map(nameOf),
    delay: kind === "after" ? delay : null,
  };
}

/** What the type of an event says: XState's own begin with `xstate.`. */
function read(type: string, node: ChartNode, delay: string | null): Pick<EdgeDefinition, "kind" | "label"> {
  if (type === "") return { kind: "always", label: "always" };
  const [, family, rest = ""] = /^xstate\.(after|done\.state|done\.actor|error\.actor)\.(.*)$/.exec(type) ?? [];
  if (family === undefined) return { kind: "event", label: type };
  if (family === "after") return { kind: "after", label: delay ?? rest };
  if (family === "done.state") return { kind: "done", label: node.key };
  const invoked = node.invoke.find(({ id }) => id === rest);
  // An actor that was spawned, not invoked, is known by its id.
  const label = invoked === undefined ? rest : actorName(invoked);
  return { kind: family === "done.actor" ? "done" : "error", label };
}

/** XState makes a name of its own for logic that was written inline; then the id says more. */
function actorName({ id, src }: { readonly id: string; readonly src: unknown }): string {
  return typeof src === "string" && !src.startsWith("xstate.invoke.") ? src : id;
}

function namesOf(parts: unknown): string[] {
  if (parts === undefined) return [];
  return Array.isArray(parts) ? parts.map(nameOf) : [nameOf(parts)];
}

/** Guards and actions are named by a string, or by an object with parameters; a function has no name to show. */
function nameOf(part: unknown): string {
  if (typeof part === "string") return part;
  if (typeof part === "object" && part !== null && "type" in part) return String(part.type);
  return UNNAMED;
}
