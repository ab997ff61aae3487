/** `acktor replay-recording`: a recording of `watch` or of the console, shown again with the pauses that it had. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { InspectEvent } from "@acktor/shared/inspect/wire";
import { pause } from "@acktor/shared/runtime/pause";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Session } from "../session.ts";
import { showEvent } from "./describe-event.ts";
import { isHead, parseEvent } from "./recording.ts";

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
      const value = parseObject(text);
      const event = value === null || number === 1 ? null : parseEvent(value);
      const isRight = number === 1 ? value !== null && isHead(value) : event !== null || text.trim() === "";
      if (!isRight) return notRecording(session, file, number);
      if (event === null) continue;
      const gapMs = options.wait && lastTs !== null ? (event.ts - lastTs) / options.speed : 0;
      if (gapMs > 0) await pause(Math.min(gapMs, 2 ** 31 - 1), signal);
      if (signal.aborted) return EXIT.interrupted;
      lastTs = event.ts;
      show(session, event, options.all ?? false);
    }
    return number === 0 ? notRecording(session, file, 1) : EXIT.done;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const message = texts.watch.cannotRead(file, code);
    return session.fail({ exit: EXIT.usage, code: "cannot_read", message, fix: texts.watch.notRecordingFix });
  } finally {
    input.destroy();
  }
}

function show(session: Session, data: InspectEvent, all: boolean): void {
  showEvent({ event: "inspect", at: data.ts, data }, session, all);
}

function notRecording(session: Session, file: string, number: number): ExitCode {
  const { texts } = session;
  const message = texts.watch.notRecording(file, number);
  return session.fail({ exit: EXIT.failed, code: "not_a_recording", message, fix: texts.watch.notRecordingFix });
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
