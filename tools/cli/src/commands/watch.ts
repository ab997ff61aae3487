/**
 * `acktor watch`: shows the transitions of every instance's actors live, and records them.
 *
 * Invariants:
 *  CLI_WATCH-1. A lost stream is opened again with growing pauses until Ctrl-C. Only a failure of the first one ends the command.
 */
import { isJsonObject, type JsonLimits, readJsonText } from "@acktor/shared/protocol/bounded-json";
import { pause } from "@acktor/shared/runtime/pause";
import type { Api } from "../api/api.ts";
import { readEvents, type ServerSentEvent } from "../api/server-sent-events.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Session } from "../session.ts";
import { asWatched, isWatched, showEvent, type WatchLine } from "./describe-event.ts";
import { Recorder } from "./recording.ts";

/** A snapshot of a large fleet. */
const LIMITS: JsonLimits = { maxBytes: 64 * 1024 * 1024, maxDepth: 64, maxValues: 4_000_000 };
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

export interface WatchOptions {
  readonly record?: string;
  /** Also periodic work. */
  readonly all?: boolean;
}

export async function watch(session: Session, api: Api, { record, all = false }: WatchOptions): Promise<ExitCode> {
  const { texts } = session;
  const recorder = record === undefined ? null : await Recorder.open(record);
  if (typeof recorder === "string") {
    const message = texts.watch.cannotWrite(record ?? "", recorder);
    return session.fail({ exit: EXIT.usage, code: "cannot_write", message, fix: texts.watch.cannotWriteFix });
  }
  const show = async (line: WatchLine): Promise<void> => {
    await recorder?.add(line);
    showEvent(line, session, all);
  };
  try {
    return await follow(session, api, show);
  } finally {
    await recorder?.end();
  }
}

type Show = (line: WatchLine) => Promise<void>;

async function follow(session: Session, api: Api, show: Show): Promise<ExitCode> {
  const { signal, terminal, texts } = session;
  let pauseMs = 0;
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    const stream = await api.stream("/v1/events");
    if (stream.ok) {
      pauseMs = 0;
      await showAll(readEvents(stream.value), show);
      // CLI_WATCH-1
    } else if (isFirst || stream.failure.exit === EXIT.usage) return session.fail(stream.failure);
    if (signal.aborted) break;
    terminal.note(texts.watch.lost);
    pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, pauseMs * 2));
    await pause(pauseMs, signal);
  }
  return EXIT.interrupted;
}

/** Resolves when the stream ends or breaks. */
async function showAll(events: AsyncIterable<ServerSentEvent>, show: Show): Promise<void> {
  const iterator = events[Symbol.asyncIterator]();
  for (;;) {
    // Only reading may fail, when the connection breaks.
    const next = await iterator.next().catch(() => null);
    if (next === null || next.done === true) return;
    const line = toLine(next.value);
    if (line !== null) await show(line);
  }
}

/** Null for an unknown event, which is skipped. */
function toLine({ name, data }: ServerSentEvent): WatchLine | null {
  if (!isWatched(name)) return null;
  const read = readJsonText(data, LIMITS);
  return read.ok && isJsonObject(read.value) ? asWatched(name, read.value) : null;
}
