/**
 * `acktor replay-recording`: plays back a recording of `watch` or of the console with its original timing.
 *
 * Invariants:
 *  PLAYBACK-1. An invalid line ends the command with the line's number, the field and the expected form (FORM-2). No content
 *            of a file makes the command throw.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { InspectEvent } from "@acktor/shared/inspect/wire";
import { eventFault, type FormFault, headFault } from "@acktor/shared/inspect/wire-form";
import { type JsonLimits, readJsonText } from "@acktor/shared/protocol/bounded-json";
import { pause } from "@acktor/shared/runtime/pause";
import { FORM_WORDS } from "@acktor/shared/texts/form-words";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Session } from "../session.ts";
import { showEvent } from "./describe-event.ts";

/** One line: an event with its context. */
const LIMITS: JsonLimits = { maxBytes: 64 * 1024 * 1024, maxDepth: 64, maxValues: 1_000_000 };

export interface ReplayOptions {
  /** 10 = ten times as fast. */
  readonly speed: number;
  readonly wait: boolean;
  readonly all?: boolean;
}

export async function replayRecording(session: Session, file: string, options: ReplayOptions): Promise<ExitCode> {
  const { texts, signal } = session;
  const input = createReadStream(file);
  let number = 0;
  let lastTs: number | null = null;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (number > 1 && text.trim() === "") continue;
      const line = readLine(text, number === 1);
      // PLAYBACK-1
      if (!line.ok) return notRecording(session, file, number, line.fault);
      const { event } = line;
      if (event === null) continue;
      const gapMs = options.wait && lastTs !== null ? (event.ts - lastTs) / options.speed : 0;
      if (gapMs > 0) await pause(Math.min(gapMs, 2 ** 31 - 1), signal);
      if (signal.aborted) return EXIT.interrupted;
      lastTs = event.ts;
      show(session, event, options.all ?? false);
    }
    return number === 0 ? notRecording(session, file, 1, { field: "", wanted: "recording" }) : EXIT.done;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const message = texts.watch.cannotRead(file, code);
    return session.fail({ exit: EXIT.usage, code: "cannot_read", message, fix: texts.watch.notRecordingFix });
  } finally {
    input.destroy();
  }
}

/** A line's event; null for the first line. */
type Line =
  | { readonly ok: true; readonly event: InspectEvent | null }
  | { readonly ok: false; readonly fault: FormFault };

function readLine(text: string, isFirst: boolean): Line {
  const read = readJsonText(text, LIMITS);
  if (!read.ok) return { ok: false, fault: { field: "", wanted: read.kind === "too_deep" ? "shallow" : "object" } };
  const fault = isFirst ? headFault(read.value) : eventFault(read.value);
  if (fault !== null) return { ok: false, fault };
  return { ok: true, event: isFirst ? null : (read.value as InspectEvent) };
}

function show(session: Session, data: InspectEvent, all: boolean): void {
  showEvent({ event: "inspect", at: data.ts, data }, session, all);
}

function notRecording(session: Session, file: string, number: number, { field, wanted }: FormFault): ExitCode {
  const { texts } = session;
  const message = texts.watch.notRecording(file, number, field, FORM_WORDS[texts.lang][wanted]);
  return session.fail({ exit: EXIT.failed, code: "not_a_recording", message, fix: texts.watch.notRecordingFix });
}
