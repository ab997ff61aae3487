/**
 * `acktor watch`: what the actors of every instance do, as it happens, on the screen and into a recording.
 *
 * Invariants:
 *  1. A lost stream is asked for again with growing pauses, until Ctrl-C; the first one that cannot be had ends it.
 *  2. A recording holds whole lines only, each `{"event","at","data"}`, in the order of arrival.
 */

import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { pause } from "@acktor/shared/runtime/pause";
import type { Api } from "../api/api.ts";
import { readEvents, type ServerSentEvent } from "../api/server-sent-events.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Session } from "../session.ts";
import { describeEvent, isWatched, type WatchLine } from "./describe-event.ts";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

export async function watch(session: Session, api: Api, { record }: { record?: string }): Promise<ExitCode> {
  const file = record === undefined ? null : createWriteStream(record, { flags: "wx", mode: 0o600 });
  if (file !== null) {
    const fault = await opened(file);
    if (fault !== null) {
      const message = session.texts.watch.cannotWrite(record ?? "", fault);
      return session.fail({ exit: EXIT.usage, code: "cannot_write", message, fix: session.texts.watch.cannotWriteFix });
    }
  }
  try {
    return await follow(session, api, file);
  } finally {
    if (file !== null) await new Promise<void>((resolve) => file.end(resolve));
  }
}

/** Null, or the code of what keeps the file from being written. */
function opened(file: WriteStream): Promise<string | null> {
  return new Promise((resolve) => {
    file.once("open", () => resolve(null));
    file.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

async function follow(session: Session, api: Api, file: WriteStream | null): Promise<ExitCode> {
  const { signal, terminal, texts } = session;
  let pauseMs = 0;
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    const stream = await api.stream("/v1/events");
    if (stream.ok) {
      pauseMs = 0;
      await showAll(session, readEvents(stream.value as unknown as AsyncIterable<Uint8Array>), file);
    } else if (isFirst || stream.failure.exit === EXIT.usage) return session.fail(stream.failure);
    if (signal.aborted) break;
    terminal.note(texts.watch.lost);
    pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, pauseMs * 2));
    await pause(pauseMs, signal);
  }
  return EXIT.interrupted;
}

/** Until the stream ends, however it ends. */
async function showAll(session: Session, events: AsyncIterable<ServerSentEvent>, file: WriteStream | null) {
  try {
    for await (const event of events) {
      const line = toLine(event);
      if (line === null) continue;
      const text = JSON.stringify(line);
      if (file !== null && !file.write(`${text}\n`)) await once(file, "drain");
      if (session.json) session.terminal.out(text);
      else for (const shown of describeEvent(line, session)) session.terminal.out(shown);
    }
  } catch (error) {
    // A connection that breaks is an error of the reader; anything else is a bug.
    if (!(error instanceof TypeError) && (error as Error).name !== "AbortError") throw error;
  }
}

function toLine({ name, data }: ServerSentEvent): WatchLine | null {
  if (!isWatched(name)) return null;
  try {
    return { event: name, at: Date.now(), data: JSON.parse(data) };
  } catch {
    return null;
  }
}
