/**
 * What is written on a chart: one place for the words, so that what was measured when the layout was made is what is
 * drawn.
 *
 * Invariant: no line is longer than `MAX_CHARACTERS`; a list that does not fit ends with how many are left out, and
 * stands whole in the title and in the outline.
 */
import type { EdgeDefinition, StateDefinition } from "@acktor/shared/inspect/wire";

const MAX_CHARACTERS = 26;

/** A line and how loud it is: the event is read first, what is done last. */
export interface Line {
  readonly text: string;
  readonly tone: "event" | "guard" | "action";
}

/** What sets a transition off, for people. */
export function trigger({ kind, label }: Pick<EdgeDefinition, "kind" | "label">): string {
  if (kind === "after") return `after ${label}`;
  if (kind === "done") return `${label} done`;
  if (kind === "error") return `${label} failed`;
  return label === "*" ? "any other event" : label;
}

/** A transition's label, line by line. */
export function edgeLines(edge: EdgeDefinition): Line[] {
  // It leaves the state and enters it again, so what is done on the way out and in is done; one that stays does not.
  const event = edge.target === edge.source ? `↻ ${trigger(edge)}` : trigger(edge);
  const guard = edge.guard === null ? null : `[${edge.guard}]`;
  const fits = guard !== null && event.length + guard.length < MAX_CHARACTERS;
  const lines: Line[] = [{ text: cut(fits ? `${event} ${guard}` : event), tone: "event" }];
  if (guard !== null && !fits) lines.push({ text: cut(guard), tone: "guard" });
  if (edge.actions.length > 0) lines.push({ text: list("/ ", edge.actions), tone: "action" });
  return lines;
}

/** What a state does when it is entered, while it lasts and when it is left. */
export function stateLines(state: Does): Line[] {
  return doings(state).map(([head, names]) => ({ text: list(head, names), tone: "action" }));
}

/** The same with nothing left out. */
export function stateSentences(state: Does): string[] {
  return doings(state).map(([head, names]) => `${head}${names.join(", ")}`);
}

/** A transition in one sentence, nothing left out. */
export function edgeSentence(edge: EdgeDefinition): string {
  const guard = edge.guard === null ? "" : ` [${edge.guard}]`;
  const actions = edge.actions.length === 0 ? "" : ` / ${edge.actions.join(", ")}`;
  return `${trigger(edge)}${guard}${actions}`;
}

type Does = Pick<StateDefinition, "entry" | "invoke" | "exit">;

function doings({ entry, invoke, exit }: Does): (readonly [string, readonly string[]])[] {
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
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS - 1)}…`;
}
