/**
 * An XState machine as a Mermaid `stateDiagram-v2`: states, nested regions, and every transition that can leave a state.
 *
 * Invariants:
 *  1. Only what moves is drawn: a transition without a target runs actions and stays where it is.
 *  2. A transition of a parent is drawn from each child that does not take its event unconditionally, because Mermaid
 *     draws no edge from a composite state into itself.
 *  3. The order is the machine's own, so the text changes only when the machine does.
 */

/** The part of an XState state node that a picture needs; the library's own class fits it. */
export interface ChartNode {
  readonly id: string;
  readonly key: string;
  readonly type: "atomic" | "compound" | "parallel" | "final" | "history";
  readonly states: Readonly<Record<string, ChartNode>>;
  readonly initial: { readonly target: readonly ChartNode[] } | undefined;
  readonly invoke: readonly { readonly id: string; readonly src: unknown }[];
  readonly transitions: ReadonlyMap<string, readonly ChartTransition[]>;
  readonly always?: readonly ChartTransition[] | undefined;
}

export interface ChartTransition {
  readonly target: readonly ChartNode[] | undefined;
  readonly guard?: unknown;
}

interface Edge {
  readonly from: ChartNode;
  readonly to: ChartNode;
  readonly label: string;
}

/** The whole diagram of a machine's root node. */
export function toMermaid(root: ChartNode): string {
  const edges = [...edgesOf(root, [])];
  return `${["stateDiagram-v2", ...body(root, edges, "  ")].join("\n")}\n`;
}

function body(node: ChartNode, edges: readonly Edge[], indent: string): string[] {
  const children = Object.values(node.states);
  if (node.type === "parallel") {
    return children.flatMap((region) => [
      `${indent}state ${region.key} {`,
      ...body(region, edges, `${indent}  `),
      `${indent}}`,
    ]);
  }
  const lines = (node.initial?.target ?? []).map((target) => `${indent}[*] --> ${target.key}`);
  for (const child of children) {
    if (Object.keys(child.states).length > 0) {
      lines.push(`${indent}state ${child.key} {`, ...body(child, edges, `${indent}  `), `${indent}}`);
    }
    for (const [to, labels] of byTarget(edges.filter((edge) => edge.from === child))) {
      lines.push(`${indent}${child.key} --> ${to.key}: ${[...new Set(labels)].join("<br/>")}`);
    }
    if (child.type === "final") lines.push(`${indent}${child.key} --> [*]`);
  }
  return lines;
}

function byTarget(edges: readonly Edge[]): Map<ChartNode, string[]> {
  const groups = new Map<ChartNode, string[]>();
  for (const { to, label } of edges) groups.set(to, [...(groups.get(to) ?? []), label]);
  return groups;
}

/** Edges of a node and of what lies below it; `above` are the nodes that it lies in, outermost first. */
function* edgesOf(node: ChartNode, above: readonly ChartNode[]): Generator<Edge> {
  const children = Object.values(node.states);
  for (const child of children) yield* edgesOf(child, [...above, node]);
  if (children.length > 0) return;
  const taken = new Set<string>();
  for (const source of [node, ...above.toReversed()]) {
    const always = (source.always ?? []).map((transition) => ["", [transition]] as const);
    for (const [event, transitions] of [...source.transitions, ...always]) {
      if (taken.has(event)) continue;
      yield* edgesFrom(node, source, event, transitions);
      if (transitions.some(({ guard }) => guard === undefined)) taken.add(event);
    }
  }
}

function* edgesFrom(
  from: ChartNode,
  source: ChartNode,
  event: string,
  transitions: readonly ChartTransition[],
): Generator<Edge> {
  for (const { target, guard } of transitions) {
    const label = `${eventName(event, source)}${guardName(guard)}`;
    for (const to of target ?? []) {
      // What a parent's transition enters is told from the states beside it; another region's stay where they are.
      if (source === from || (to !== from && regionOf(to) === regionOf(from))) yield { from, to, label };
    }
  }
}

/** The id without its last level: states of one region, or of one composite, share it. */
function regionOf({ id }: ChartNode): string {
  return id.slice(0, id.lastIndexOf("."));
}

function eventName(event: string, source: ChartNode): string {
  if (event === "") return "always";
  if (event === "*") return "any other event";
  const [, kind, rest = ""] = /^xstate\.(after|done\.actor|error\.actor|done\.state)\.(.*)$/.exec(event) ?? [];
  if (kind === undefined) return event;
  if (kind === "after") return `after ${rest.slice(0, -(source.id.length + 1))}`;
  if (kind === "done.state") return "all done";
  const known = source.invoke.find(({ id }) => id === rest);
  const name = known !== undefined && typeof known.src === "string" ? known.src : rest;
  return `${name} ${kind === "done.actor" ? "done" : "failed"}`;
}

function guardName(guard: unknown): string {
  if (guard === undefined) return "";
  if (typeof guard === "string") return ` [${guard}]`;
  if (typeof guard === "object" && guard !== null && "type" in guard) return ` [${String(guard.type)}]`;
  return " [guarded]";
}
