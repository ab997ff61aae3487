/** Filters the journal's rows by actor, type, message id or other text. */
import { actorKey, type Row } from "../../state/journal.ts";

export interface LogFilter {
  readonly actor: string | null;
  /** "" = all except context changes and, without another filter, periodic work; `all`; a group; `event:…`; `step:…`. */
  readonly type: string;
  /** Part of a message id, topic, event, instance. */
  readonly text: string;
}

export function filterOf(params: URLSearchParams): LogFilter {
  return { actor: params.get("actor"), type: params.get("type") ?? "", text: params.get("text") ?? "" };
}

export function matchesRow(row: Row, { actor, type, text }: LogFilter): boolean {
  return (
    (actor === null || nameOf(row) === actor) &&
    matchesType(row, type) &&
    (text === "" || wordsIn(row).includes(text)) &&
    !(type === "" && actor === null && text === "" && isRoutine(row))
  );
}

/** Machines with periodic work: twenty rows a second without news. */
const ROUTINE_MACHINES: ReadonlySet<string> = new Set(["periodic", "dispatcher"]);
const ROUTINE_EVENT = /^xstate\.(after|done\.actor)\./;

function isRoutine({ kind, event }: Row): boolean {
  if (kind !== "actor" || event.kind !== "transition" || !ROUTINE_MACHINES.has(event.machine)) return false;
  return event.value !== "IDLE" && (event.event === null || ROUTINE_EVENT.test(event.event));
}

/** A row's actor, or `service/instance` for a row without one. */
function nameOf({ event }: Row): string {
  return event.kind === "deliveries" ? `${event.service}/${event.instance}` : actorKey(event);
}

function matchesType({ kind, event, step }: Row, type: string): boolean {
  const isContext = kind === "actor" && event.kind === "context";
  if (type === "") return !isContext;
  if (type === "all") return true;
  if (type === "context") return isContext;
  if (type === "machines") return kind === "actor" && !isContext;
  if (type === "messages") return kind === "step" || kind === "counts";
  if (type === "gap") return kind === "gap";
  if (type.startsWith("step:")) return step?.step === type.slice(5);
  return kind === "actor" && event.kind !== "deliveries" && event.event === type.slice(6);
}

function wordsIn({ event, step }: Row): string {
  const own = event.kind === "deliveries" ? "" : `${event.actor} ${event.event ?? ""}`;
  return `${event.service}/${event.instance} ${own} ${step === null ? "" : `${step.message_id} ${step.topic} ${step.step}`}`;
}

/** The actors and types in the rows, sorted. */
export function choicesOf(rows: readonly Row[]): {
  readonly actors: readonly string[];
  readonly types: readonly string[];
} {
  const actors = new Set<string>();
  const types = new Set<string>();
  for (const row of rows) {
    actors.add(nameOf(row));
    if (row.step !== null) types.add(`step:${row.step.step}`);
    else if (row.event.kind === "transition" && row.event.event !== null) types.add(`event:${row.event.event}`);
  }
  return { actors: [...actors].sort(), types: [...types].sort() };
}
