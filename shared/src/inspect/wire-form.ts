/**
 * Checks whether a value has the form that wire.ts describes: lines of recordings, and events of a stream. Pure; the console and
 * the command line share it.
 *
 * Invariants:
 *  FORM-1. A value without a fault can be shown: every field that is read is there, has its type, is within the bounds of
 *          a date, and is nested at most `DEEPEST` levels. Unknown fields are accepted.
 *  FORM-2. A fault names the field by its path, as `steps[2].ts`, and what is expected there. Checking never throws.
 */
import { WIRE_VERSION } from "./wire.ts";

/** What a field must be; each language has its words for these. `known`: it is missing, or not one of what is possible. */
export type Wanted =
  | "object"
  | "list"
  | "text"
  | "number"
  | "count"
  | "time"
  | "state"
  | "known"
  | "shallow"
  | "recording";

export interface FormFault {
  /** "" for the whole line. */
  readonly field: string;
  readonly wanted: Wanted;
}

export const RECORDING_KIND = "acktor-recording";

/** Contexts have five levels at most. */
const DEEPEST = 32;
/** Milliseconds since 1970 that a date can have. */
const LAST_DATE = 8.64e15;
const LONGEST_PATH = 200;

type Check = (value: unknown, field: string) => FormFault | null;

/** An event of an actor or of deliveries: a line of a recording, or `inspect` of the stream. */
export function eventFault(value: unknown): FormFault | null {
  return shallow(value, "") ?? stamp(value, "") ?? (isDeliveries(value) ? deliveries : actorEvent)(value, "");
}

/** The first line of a recording. */
export function headFault(value: unknown): FormFault | null {
  return shallow(value, "") ?? head(value, "");
}

/** An instance as it stands: `instance` of the stream, and each of a snapshot. Its `recent` events are not looked at. */
export function snapshotFault(value: unknown): FormFault | null {
  return shallow(value, "") ?? instance(value, "");
}

/** A chart as data. */
export function definitionFault(value: unknown): FormFault | null {
  return shallow(value, "") ?? definition(value, "");
}

export function goneFault(value: unknown): FormFault | null {
  return shallow(value, "") ?? gone(value, "");
}

function when(wanted: Wanted, holds: (value: unknown) => boolean): Check {
  return (value, field) => (holds(value) ? null : { field: field.slice(0, LONGEST_PATH), wanted });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const text = when("text", (value) => typeof value === "string");
const textOrNull = when("text", (value) => value === null || typeof value === "string");
const number = when("number", (value) => typeof value === "number" && Number.isFinite(value));
const count = when("count", (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0);
const time = when("time", (value) => typeof value === "number" && Math.abs(value) <= LAST_DATE);
const object = when("object", isObject);
const scalar = when("text", (value) => typeof value === "string" || typeof value === "number");
const present = when("known", (value) => value !== undefined);

function oneOf(...words: readonly unknown[]): Check {
  return when("known", (value) => words.includes(value));
}

function optional(check: Check): Check {
  return (value, field) => (value === undefined ? null : check(value, field));
}

function listOf(check: Check): Check {
  return (value, field) => {
    if (!Array.isArray(value)) return { field, wanted: "list" };
    return firstFault(
      value.map((_, at) => at),
      (at) => check(value[at], `${field}[${at}]`),
    );
  };
}

function fields(shape: Readonly<Record<string, Check>>): Check {
  const names = Object.keys(shape);
  return (value, field) => {
    if (!isObject(value)) return { field, wanted: "object" };
    return firstFault(names, (name) => shape[name]?.(own(value, name), join(field, name)) ?? null);
  };
}

/** Members of any names. */
function members(check: Check): Check {
  return (value, field) => {
    if (!isObject(value)) return { field, wanted: "object" };
    return firstFault(Object.keys(value), (name) => check(own(value, name), join(field, name)));
  };
}

function firstFault<T>(items: readonly T[], check: (item: T) => FormFault | null): FormFault | null {
  for (const item of items) {
    const fault = check(item);
    if (fault !== null) return fault;
  }
  return null;
}

/** Nothing of Object.prototype. */
function own(value: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

function join(field: string, name: string): string {
  return field === "" ? name : `${field}.${name}`.slice(0, LONGEST_PATH);
}

/** FORM-1: code that walks a value recursively must not overflow the stack. */
function shallow(value: unknown, field: string, left = DEEPEST): FormFault | null {
  if (typeof value !== "object" || value === null) return null;
  if (left === 0) return { field: field.slice(0, LONGEST_PATH), wanted: "shallow" };
  const inner = Object.entries(value);
  return firstFault(inner, ([name, one]) => shallow(one, join(field, name), left - 1));
}

const state: Check = (value, field) => {
  if (typeof value === "string") return null;
  return isObject(value) ? members(state)(value, field) : { field, wanted: "state" };
};

const STAMP = {
  v: when("recording", (value) => value === WIRE_VERSION),
  ts: time,
  service: text,
  instance: text,
  boot: text,
};
const stamp = fields({
  ...STAMP,
  seq: count,
  kind: oneOf("started", "transition", "context", "stopped", "deliveries"),
});

const ACTOR = {
  actor: text,
  machine: text,
  event: textOrNull,
  edges: listOf(text),
  value: state,
  context: present,
  delays: listOf(fields({ state: text, delay: text, startedAt: time, endsAt: time })),
  can: listOf(text),
};
const actorEvent = fields(ACTOR);

const deliveries = fields({
  counts: members(number),
  steps: listOf(
    fields({
      step: text,
      message_id: text,
      ts: time,
      topic: text,
      attempt: optional(number),
      detail: optional(scalar),
    }),
  ),
});

const instance = fields({
  ...STAMP,
  version: text,
  seq: count,
  startedAt: time,
  actors: listOf(fields({ ...ACTOR, ts: time, service: text, instance: text, status: text })),
  summary: object,
  recent: optional(listOf(object)),
});

const gone = fields({ ...STAMP, why: text });

const chart = fields({
  id: text,
  states: listOf(
    fields({
      id: text,
      key: text,
      parent: textOrNull,
      type: oneOf("atomic", "compound", "parallel", "final"),
      initial: textOrNull,
      entry: listOf(text),
      exit: listOf(text),
      invoke: listOf(text),
    }),
  ),
  edges: listOf(
    fields({
      id: text,
      source: text,
      target: textOrNull,
      kind: oneOf("event", "always", "after", "done", "error"),
      label: text,
      guard: textOrNull,
      actions: listOf(text),
      delay: textOrNull,
    }),
  ),
});

/** A chart is a tree: who draws it walks from the root. */
const definition: Check = (value, field) => {
  const fault = chart(value, field);
  if (fault !== null) return fault;
  const parents = new Map<string, string | null>();
  const { states } = value as { readonly states: readonly { readonly id: string; readonly parent: string | null }[] };
  for (const [at, { id, parent }] of states.entries()) {
    const place = join(field, `states[${at}]`);
    if (parents.has(id)) return { field: join(place, "id"), wanted: "known" };
    // As the machines are described: an outer state stands before those in it.
    if (parent !== null && !parents.has(parent)) return { field: join(place, "parent"), wanted: "known" };
    parents.set(id, parent);
  }
  return null;
};

const gap: Check = (value, field) => {
  if (!Array.isArray(value)) return { field, wanted: "list" };
  return text(value[0], `${field}[0]`) ?? count(value[1], `${field}[1]`) ?? count(value[2], `${field}[2]`);
};

const head = fields({
  kind: when("recording", (value) => value === RECORDING_KIND),
  v: STAMP.v,
  gaps: optional(listOf(gap)),
  definitions: optional(listOf(definition)),
});

function isDeliveries(value: unknown): boolean {
  return isObject(value) && value["kind"] === "deliveries";
}
