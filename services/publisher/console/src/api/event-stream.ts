/**
 * Server-sent events over fetch, because EventSource cannot send a token.
 *
 * Invariants:
 *  EVENT_STREAM-1. A lost stream is opened again, after pauses with jitter that double up to 10 s, until it is stopped.
 *  EVENT_STREAM-2. An event longer than MAX_EVENT characters ends the stream: memory has a bound.
 *
 * A stream that is silent for SILENCE_MS counts as lost; the server's heartbeats are more frequent.
 */
import { authorization, noteRefused } from "../state/session.ts";

const SILENCE_MS = 30_000;
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 10_000;
const MAX_EVENT = 32 * 1024 * 1024;

export interface StreamHandlers {
  readonly onEvent: (type: string, data: string) => void;
  /** The server answered with a stream. */
  readonly onOpen: () => void;
  readonly onLost: () => void;
}

/** Starts reading. @returns a function that stops it */
export function readEvents(path: string, handlers: StreamHandlers): () => void {
  const stop = new AbortController();
  void keepReading(path, handlers, stop.signal);
  return () => stop.abort();
}

async function keepReading(path: string, handlers: StreamHandlers, stop: AbortSignal): Promise<void> {
  let failures = 0;
  while (!stop.aborted) {
    const opened = await readOnce(path, handlers, stop);
    if (stop.aborted) return;
    handlers.onLost();
    failures = opened ? 0 : failures + 1;
    // EVENT_STREAM-1
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
    await pause(longest * (0.5 + Math.random() / 2), stop);
  }
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stop.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Reads one stream to its end. @returns whether the server answered with one */
async function readOnce(path: string, handlers: StreamHandlers, stop: AbortSignal): Promise<boolean> {
  const own = new AbortController();
  const end = (): void => own.abort();
  stop.addEventListener("abort", end);
  let timer = setTimeout(end, SILENCE_MS);
  try {
    const headers = { accept: "text/event-stream", ...authorization() };
    const response = await fetch(path, { headers, signal: own.signal, cache: "no-store" });
    if (response.status === 401) noteRefused();
    if (!response.ok || response.body === null) return false;
    handlers.onOpen();
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parse = eventParser(handlers.onEvent);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return true;
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
      if (!parse(decoder.decode(value, { stream: true }))) return true;
    }
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", end);
    own.abort();
  }
}

/**
 * Parses events from chunks of text.
 * @returns a function that returns false if an event is longer than MAX_EVENT
 */
export function eventParser(onEvent: StreamHandlers["onEvent"]): (text: string) => boolean {
  let rest = "";
  return (text) => {
    rest += text;
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) emit(block, onEvent);
    return rest.length <= MAX_EVENT; // EVENT_STREAM-2
  };
}

function emit(block: string, onEvent: StreamHandlers["onEvent"]): void {
  let type = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) type = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  if (data.length > 0) onEvent(type, data.join("\n"));
}
