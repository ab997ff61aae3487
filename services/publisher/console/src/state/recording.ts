/**
 * A journal as a file, JSON Lines: a head that says what it is and draws the charts, then one event a line.
 *
 * Invariant: what cannot be read is refused with the line's number; nothing of a file is believed but its events' form.
 */
import { type InspectEvent, type MachineDefinition, WIRE_VERSION } from "@acktor/shared/inspect/wire";
import { Journal, type Row } from "./journal.ts";

const KIND = "acktor-recording";
/** Larger files are no recordings of ours: 5,000 events have some 5 MB. */
const MAX_BYTES = 64 * 1024 * 1024;

export interface Recording {
  readonly name: string;
  readonly journal: Journal;
  readonly definitions: readonly MachineDefinition[];
}

export type Opened =
  | { readonly ok: true; readonly recording: Recording }
  | { readonly ok: false; readonly fault: "too_large" | "not_a_recording" | "bad_line"; readonly line: number };

/** @param rows whole events, as a journal keeps them */
export function toJsonLines(rows: readonly Row[], definitions: readonly MachineDefinition[]): string {
  const events = [...new Set(rows.map(({ event }) => event))];
  const gaps = rows.filter(({ kind }) => kind === "gap").map(({ event, lost }) => [event.boot, event.seq, lost]);
  const head = { kind: KIND, v: WIRE_VERSION, saved_at: new Date().toISOString(), gaps, definitions };
  return `${[head, ...events].map((line) => JSON.stringify(line)).join("\n")}\n`;
}

export async function openRecording(file: File): Promise<Opened> {
  if (file.size > MAX_BYTES) return { ok: false, fault: "too_large", line: 0 };
  return readRecording(file.name, await file.text());
}

export function readRecording(name: string, text: string): Opened {
  const lines = text.split("\n");
  const head = objectOf(lines[0] ?? "");
  if (head === null || head["kind"] !== KIND || head["v"] !== WIRE_VERSION) {
    return { ok: false, fault: "not_a_recording", line: 1 };
  }
  const lost = gapsOf(head["gaps"]);
  const journal = new Journal();
  for (let at = 1; at < lines.length; at++) {
    if (lines[at] === "") continue;
    const event = objectOf(lines[at] ?? "");
    if (event === null || !isEvent(event)) return { ok: false, fault: "bad_line", line: at + 1 };
    journal.add(event as unknown as InspectEvent, lost.get(`${event["boot"]} ${event["seq"]}`) ?? 0);
  }
  const definitions = Array.isArray(head["definitions"]) ? (head["definitions"] as MachineDefinition[]) : [];
  return { ok: true, recording: { name, journal, definitions } };
}

/** Events lost, by boot and number of the event that came after them. */
function gapsOf(value: unknown): ReadonlyMap<string, number> {
  const gaps = Array.isArray(value) ? value.filter(Array.isArray) : [];
  return new Map(gaps.map(([boot, seq, lost]) => [`${boot} ${seq}`, Number(lost) || 0]));
}

function objectOf(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

const KINDS: readonly unknown[] = ["started", "transition", "context", "stopped", "deliveries"];

/** Whether a value has the form of an event; also of what comes over the network. */
export function isEvent(value: Readonly<Record<string, unknown>>): boolean {
  const stamped =
    value["v"] === WIRE_VERSION &&
    typeof value["seq"] === "number" &&
    typeof value["ts"] === "number" &&
    ["service", "instance", "boot"].every((name) => typeof value[name] === "string") &&
    KINDS.includes(value["kind"]);
  if (!stamped) return false;
  if (value["kind"] === "deliveries") return Array.isArray(value["steps"]) && typeof value["counts"] === "object";
  return typeof value["actor"] === "string" && typeof value["machine"] === "string" && Array.isArray(value["edges"]);
}
