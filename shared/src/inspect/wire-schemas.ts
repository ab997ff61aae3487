/**
 * Validates what other instances send on the bus. Invalid messages are counted and ignored.
 *
 * Invariants:
 *  WIRE-1. Bytes, depth and number of values are measured before a text is parsed (LIMITS), and no schema here is recursive: no
 *     text can overflow the stack or block the event loop. A list is measured before its items are checked: each bad one costs
 *     zod microseconds.
 *  WIRE-2. A valid message has the fields of the wire format and no others. Foreign contexts are cleaned like the own ones.
 *  WIRE-3. An instance may report only itself: a message under another instance's subject is rejected.
 *  WIRE-4. An invalid event or chart of a snapshot is left out, and the rest is used. A valid chart is a tree of states with edges
 *     between them.
 */
import { z } from "zod";
import { isJsonObject, type JsonLimits, readJsonText } from "../protocol/bounded-json.ts";
import { INSTANCE_NAME, type Subjects } from "../protocol/subjects.ts";
import { cleanForeign } from "./clean-context.ts";
import { COMMANDS, type InstanceSnapshot, MAX_STEPS, type MachineDefinition, type StateValue } from "./wire.ts";

const KIB = 1024;

/** By kind. Genuine messages have a tenth of that, except snapshots with events, which have up to 700 KiB. */
export const LIMITS = {
  /** Beats, and questions. */
  small: { maxBytes: 4 * KIB, maxDepth: 4, maxValues: 100 },
  /** Announcements, events, answers to commands, reports. */
  medium: { maxBytes: 128 * KIB, maxDepth: 16, maxValues: 6_000 },
  /** Commands: `replay` with 10,000 ids. */
  command: { maxBytes: 512 * KIB, maxDepth: 8, maxValues: 25_000 },
  /** Snapshots with events and charts. */
  large: { maxBytes: 1024 * KIB, maxDepth: 16, maxValues: 300_000 },
} as const satisfies Record<string, JsonLimits>;

/** A seal writes each quote of its body as two bytes, and adds 200. */
export function sealedBytes({ maxBytes }: JsonLimits): number {
  return Math.min(2 * maxBytes + 512, 1024 * KIB);
}

const MOST_LIST = 1_000;
const MOST_STATES = 300;
const MOST_DEPTH = 8;
const MOST_REGIONS = 50;
/** The last millisecond that is a date. */
const LAST_TIME = 8.64e15;

const name = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !/\p{C}/u.test(text), "has control characters");
const instance = z.string().regex(INSTANCE_NAME);
const sentence = z.string().max(2_000);
const count = z.number().nonnegative().max(Number.MAX_SAFE_INTEGER);
const time = z.number().min(0).max(LAST_TIME);
const v = z.literal(1);
const service = z.enum(["publisher", "acker"]);
/** JSON by its origin, and bounded by what was measured. */
const json = z.unknown();
// WIRE-2
const cleaned = z.unknown().transform(cleanForeign);
const value = z.custom<StateValue>((given) => isStateValue(given, 0));
const command = z.enum(COMMANDS);

/** A state's key, or the keys of regions with their states. */
function isStateValue(given: unknown, depth: number): boolean {
  if (typeof given === "string") return given !== "" && given.length <= 200;
  if (!isJsonObject(given) || depth >= MOST_DEPTH) return false;
  const regions = Object.entries(given);
  return (
    regions.length > 0 &&
    regions.length <= MOST_REGIONS &&
    regions.every(([key, inner]) => key !== "__proto__" && isStateValue(inner, depth + 1))
  );
}

function listOf<T>(item: z.ZodType<T>, most: number) {
  return z.array(z.any()).max(most).pipe(z.array(item));
}

const delay = z.object({ state: name, delay: name, startedAt: time, endsAt: time });

const stamp = { v, seq: count, ts: time, service, instance, boot: name };

const actorState = {
  actor: name,
  machine: name,
  event: name.nullable(),
  edges: listOf(name, MOST_LIST),
  value,
  context: cleaned,
  delays: listOf(delay, MOST_LIST),
  can: listOf(command, COMMANDS.length),
};

const actorEvent = z.object({
  ...stamp,
  kind: z.enum(["started", "transition", "context", "stopped"]),
  ...actorState,
});

const step = z.enum([
  "accepted",
  "published",
  "puback",
  "publish_failed",
  "ack_timeout",
  "acknowledged",
  "rejected",
  "received",
  "processed",
  "duplicate",
  "refused",
]);

const deliveriesEvent = z.object({
  ...stamp,
  kind: z.literal("deliveries"),
  counts: z
    .custom<object>((given) => isJsonObject(given) && Object.keys(given).length <= 20)
    .pipe(z.partialRecord(step, count)),
  steps: listOf(
    z.object({
      step,
      message_id: name,
      ts: time,
      topic: z.string().max(2_000),
      attempt: count.optional(),
      detail: z.union([sentence, z.number()]).optional(),
    }),
    MAX_STEPS,
  ),
});

export const inspectEvent = z.discriminatedUnion("kind", [actorEvent, deliveriesEvent]);

const label = z.string().max(300);
const labels = listOf(label, 100);

const state = z.object({
  id: name,
  key: name,
  parent: name.nullable(),
  type: z.enum(["atomic", "compound", "parallel", "final"]),
  initial: name.nullable(),
  entry: labels,
  exit: labels,
  invoke: labels,
});

const edge = z.object({
  id: label,
  source: name,
  target: name.nullable(),
  kind: z.enum(["event", "always", "after", "done", "error"]),
  label,
  guard: label.nullable(),
  actions: labels,
  delay: label.nullable(),
});

const definition = z
  .object({ id: name, states: listOf(state, MOST_STATES), edges: listOf(edge, MOST_LIST) })
  .refine(isTree, "is no tree of states with edges between them");

/** Parents come before their children, as describeMachine writes them, so that no state is its own ancestor. */
function isTree({ states, edges }: MachineDefinition): boolean {
  const seen = new Set<string>();
  for (const { id, parent } of states) {
    const placed = parent === null ? seen.size === 0 : seen.has(parent);
    if (!placed || seen.has(id)) return false;
    seen.add(id);
  }
  return (
    states.every(({ initial }) => initial === null || seen.has(initial)) &&
    edges.every(({ source, target }) => seen.has(source) && (target === null || seen.has(target)))
  );
}

export const instanceSnapshot = z
  .object({
    ...stamp,
    version: name,
    startedAt: time,
    actors: listOf(
      z.object({ ts: time, service, instance, status: z.enum(["active", "done", "error"]), ...actorState }),
      100,
    ),
    summary: z
      .unknown()
      .refine(isJsonObject)
      .transform((given) => cleanForeign(given) as InstanceSnapshot["summary"]),
    recent: z.array(z.unknown()).max(2_000).optional(),
    stopping: z.boolean().optional(),
    definitions: z.array(z.unknown()).max(50).optional(),
  })
  .refine((one) => one.actors.every((actor) => actor.service === one.service && actor.instance === one.instance));

export const watchBeat = z.object({ v, viewer: name, leaves: z.boolean().optional() });

export const snapshotRequest = z.object({
  v,
  viewer: name,
  recentBytes: count.optional(),
  definitions: z.boolean().optional(),
});

export const commandRequest = z.object({
  v,
  who: name,
  said: name.optional(),
  args: z.custom<Record<string, unknown>>(isJsonObject).optional(),
  from: name.optional(),
  origin: name.optional(),
});

export const commandReply = z.object({
  v,
  service,
  instance,
  ok: z.boolean(),
  reason: sentence.optional(),
  code: z.union([z.literal(400), z.literal(401), z.literal(409), z.literal(503)]).optional(),
  result: json.optional(),
});

/** The value of a text, or null. */
export function readText<T>(schema: z.ZodType<T>, text: string, limits: JsonLimits): T | null {
  const read = readJsonText(text, limits); // WIRE-1
  if (!read.ok) return null;
  const result = schema.safeParse(read.value);
  return result.success ? result.data : null;
}

/** The same for a report of an instance, which must be on its own subject. */
export function readFrom<T extends { readonly service: string; readonly instance: string }>(
  schema: z.ZodType<T>,
  text: string,
  subject: string,
  subjects: Subjects,
): T | null {
  const said = readText(schema, text, LIMITS.medium);
  const source = subjects.sourceOf(subject); // WIRE-3
  return said?.service === source?.service && said?.instance === source?.instance ? said : null;
}

export interface ReadSnapshot {
  readonly snapshot: InstanceSnapshot;
  /** Events and charts that were left out. */
  readonly leftOut: number;
}

/** A snapshot as an answer, with its newest events and its charts; null where it is invalid. */
export function readSnapshot(text: string): ReadSnapshot | null {
  const read = readText(instanceSnapshot, text, LIMITS.large);
  if (read === null) return null;
  const { recent, definitions, ...rest } = read;
  const isOwn = (one: z.output<typeof inspectEvent>): boolean =>
    one.service === read.service && one.instance === read.instance && one.boot === read.boot;
  // WIRE-4
  const events = recent?.flatMap((one) => goodOf(inspectEvent, one)).filter(isOwn);
  const charts = definitions?.flatMap((one) => goodOf(definition, one));
  const leftOut = (recent?.length ?? 0) - (events?.length ?? 0) + (definitions?.length ?? 0) - (charts?.length ?? 0);
  const snapshot = {
    ...rest,
    ...(events === undefined ? {} : { recent: events }),
    ...(charts === undefined ? {} : { definitions: charts }),
  } as InstanceSnapshot;
  return { snapshot, leftOut };
}

function goodOf<T>(schema: z.ZodType<T>, given: unknown): T[] {
  const result = schema.safeParse(given);
  return result.success ? [result.data] : [];
}
