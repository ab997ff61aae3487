/** `acktor replay-recording`: a recording of `watch`, shown again with the pauses that it had. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { pause } from "@acktor/shared/runtime/pause";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Session } from "../session.ts";
import { describeEvent, isWatched, type WatchLine } from "./describe-event.ts";

export interface ReplayOptions {
  /** 10 = ten times as fast. */
  readonly speed: number;
  readonly wait: boolean;
}

export async function replayRecording(session: Session, file: string, options: ReplayOptions): Promise<ExitCode> {
  const { texts, signal, terminal } = session;
  const input = createReadStream(file);
  let number = 0;
  let lastAt: number | null = null;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (text.trim() === "") continue;
      const line = parseLine(text);
      if (line === null) {
        const message = texts.watch.notRecording(file, number);
        return session.fail({ exit: EXIT.failed, code: "not_a_recording", message, fix: texts.watch.notRecordingFix });
      }
      const gapMs = options.wait && lastAt !== null ? Math.max(0, line.at - lastAt) / options.speed : 0;
      if (gapMs > 0) await pause(Math.min(gapMs, 2 ** 31 - 1), signal);
      if (signal.aborted) return EXIT.interrupted;
      lastAt = line.at;
      if (session.json) terminal.out(JSON.stringify(line));
      else for (const shown of describeEvent(line, session)) terminal.out(shown);
    }
    return EXIT.done;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const message = texts.watch.cannotRead(file, code);
    return session.fail({ exit: EXIT.usage, code: "cannot_read", message, fix: texts.watch.notRecordingFix });
  } finally {
    input.destroy();
  }
}

function parseLine(text: string): WatchLine | null {
  try {
    const line = JSON.parse(text) as Partial<WatchLine> | null;
    const isLine = typeof line?.event === "string" && isWatched(line.event) && typeof line.at === "number";
    return isLine && typeof line.data === "object" && line.data !== null ? (line as WatchLine) : null;
  } catch {
    return null;
  }
}
