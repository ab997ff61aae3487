/** A walk over a syntax tree: every node with its parent, parents first. */
import type { Node } from "../../tools/workshop/parser.ts";

export type { Node } from "../../tools/workshop/parser.ts";

export function* nodesOf(root: Node): Generator<{ readonly node: Node; readonly parent: Node | null }> {
  const stack: { node: Node; parent: Node | null }[] = [{ node: root, parent: null }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    yield next;
    const children = Object.values(next.node).flat().filter(isNode);
    for (const child of children.reverse()) stack.push({ node: child, parent: next.node });
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
