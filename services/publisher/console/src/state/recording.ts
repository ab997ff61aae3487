/**
 * A journal as a file, JSON Lines: the first line has the format and the charts, each other line one event.
 *
 * Invariants:
 *  RECORDING-1. An invalid file is refused with the line's number, the field and the expected form. Only checked fields are
 *               used (FORM-1). Opening never throws.
 */
import { type InspectEvent, type MachineDefinition, WIRE_VERSION } from "@acktor/shared/inspect/wire";
import { eventFault, type FormFault, headFault, RECORDING_KIND } from "@acktor/shared/inspect/wire-form";
import { Journal, type Row } from "./journal.ts";

/** Larger files are not recordings: 5,000 events have some 5 MB. */
const MAX_BYTES = 64 * 1024 * 1024;

export interface Recording {
  readonly name: string;
  readonly journal: Journal;
  readonly definitions: readonly MachineDefinition[];
}

export type Opened =
  | { readonly ok: true; readonly recording: Recording }
  | { readonly ok: false; readonly line: number; readonly fault: "too_large" | FormFault };

/** @param rows all rows of each event, as a journal keeps them */
export function toJsonLines(rows: readonly Row[], definitions: readonly MachineDefinition[]): string {
  const events = [...new Set(rows.map(({ event }) => event))];
  const gaps = rows.filter(({ kind }) => kind === "gap").map(({ event, lost }) => [event.boot, event.seq, lost]);
  const head = { kind: RECORDING_KIND, v: WIRE_VERSION, saved_at: new Date().toISOString(), gaps, definitions };
  return `${[head, ...events].map((line) => JSON.stringify(line)).join("\n")}\n`;
}

export async function openRecording(file: File): Promise<Opened> {
  if (file.size > MAX_BYTES) return { ok: false, fault: "too_large", line: 0 };
  return readRecording(file.name, await file.text());
}

export function readRecording(name: string, text: string): Opened {
  const lines = text.split("\n");
  const head = jsonOf(lines[0] ?? "");
  const headIs = headFault(head);
  if (headIs !== null) return { ok: false, line: 1, fault: headIs };
  const { gaps, definitions = [] } = head as Head;
  const lost = gapsOf(gaps);
  const journal = new Journal();
  for (let at = 1; at < lines.length; at++) {
    if (lines[at]?.trim() === "") continue;
    const event = jsonOf(lines[at] ?? "");
    const fault = eventFault(event);
    if (fault !== null) return { ok: false, line: at + 1, fault }; // RECORDING-1
    const { boot, seq } = event as InspectEvent;
    journal.add(event as InspectEvent, lost.get(`${boot} ${seq}`) ?? 0);
  }
  return { ok: true, recording: { name, journal, definitions } };
}

interface Head {
  readonly gaps?: readonly (readonly [boot: string, seq: number, lost: number])[];
  readonly definitions?: readonly MachineDefinition[];
}

/** Lost events, by boot and number of the event after them. */
function gapsOf(gaps: Head["gaps"] = []): ReadonlyMap<string, number> {
  return new Map(gaps.map(([boot, seq, lost]) => [`${boot} ${seq}`, lost]));
}

/** Null for a line that is not JSON; no form matches null. */
function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
