/**
 * The labels of a chart. Layout and drawing both use this file, so that the drawn text is the measured text.
 *
 * Invariants:
 *  LABEL-1. No line is longer than `MAX_CHARACTERS`. A list that does not fit ends with the number of omitted names; the title
 *           and the outline have all of them.
 */
import type { EdgeDefinition, StateDefinition } from "@acktor/shared/inspect/wire";

const MAX_CHARACTERS = 26;

/** A line and its emphasis: events are the strongest, actions the weakest. */
export interface Line {
  readonly text: string;
  readonly tone: "event" | "guard" | "action";
}

/** What triggers a transition, in words. */
export function trigger({ kind, label }: Pick<EdgeDefinition, "kind" | "label">): string {
  if (kind === "after") return `after ${label}`;
  if (kind === "done") return `${label} done`;
  if (kind === "error") return `${label} failed`;
  return label === "*" ? "any other event" : label;
}

/** A transition's label, line by line. */
export function edgeLines(edge: EdgeDefinition): Line[] {
  // ↻: it leaves the state and enters it again, so exit and entry actions run; one that stays runs neither.
  const event = edge.target === edge.source ? `↻ ${trigger(edge)}` : trigger(edge);
  const guard = edge.guard === null ? null : `[${edge.guard}]`;
  const fits = guard !== null && event.length + guard.length < MAX_CHARACTERS;
  const lines: Line[] = [{ text: cut(fits ? `${event} ${guard}` : event), tone: "event" }];
  if (guard !== null && !fits) lines.push({ text: cut(guard), tone: "guard" });
  if (edge.actions.length > 0) lines.push({ text: list("/ ", edge.actions), tone: "action" });
  return lines;
}

/** A state's entry actions, invoked actors and exit actions. */
export function stateLines(state: StateActions): Line[] {
  return actionsOf(state).map(([head, names]) => ({ text: list(head, names), tone: "action" }));
}

/** The same, complete. */
export function stateSentences(state: StateActions): string[] {
  return actionsOf(state).map(([head, names]) => `${head}${names.join(", ")}`);
}

/** A transition in one sentence, complete. */
export function edgeSentence(edge: EdgeDefinition): string {
  const guard = edge.guard === null ? "" : ` [${edge.guard}]`;
  const actions = edge.actions.length === 0 ? "" : ` / ${edge.actions.join(", ")}`;
  return `${trigger(edge)}${guard}${actions}`;
}

type StateActions = Pick<StateDefinition, "entry" | "invoke" | "exit">;

function actionsOf({ entry, invoke, exit }: StateActions): (readonly [string, readonly string[]])[] {
  const parts = [["entry / ", entry] as const, ["do / ", invoke] as const, ["exit / ", exit] as const];
  return parts.filter(([, names]) => names.length > 0);
}

function list(head: string, names: readonly string[]): string {
  const all = `${head}${names.join(", ")}`;
  if (all.length <= MAX_CHARACTERS) return all;
  for (let shown = names.length - 1; shown > 0; shown--) {
    const text = `${head}${names.slice(0, shown).join(", ")}, +${names.length - shown}`;
    if (text.length <= MAX_CHARACTERS) return text;
  }
  return cut(all);
}

function cut(text: string): string {
  // LABEL-1
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS - 1)}…`;
}
