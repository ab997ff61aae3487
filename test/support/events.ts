/** A viewer of `GET /v1/events`, as a program reads it: by fetch, so that a token can be sent. */
import type { TestContext } from "node:test";
import type { StreamEvents } from "@acktor/shared/inspect/wire";
import { cleanUp } from "./cleanup.ts";
import { until } from "./until.ts";

export interface EventViewer {
  readonly headers: Headers;
  /** All events of one name so far. */
  all<K extends keyof StreamEvents>(name: K): StreamEvents[K][];
  /** Waits for the first event of a name. */
  next<K extends keyof StreamEvents>(name: K, timeoutMs?: number): Promise<StreamEvents[K]>;
  /** Resolves when either side has ended the stream. */
  readonly ended: Promise<void>;
  close(): void;
}

interface Seen {
  readonly name: string;
  readonly data: unknown;
}

/** Resolves when the stream has begun; ends with the test. */
export async function openEvents(
  t: TestContext,
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventViewer> {
  const abort = new AbortController();
  cleanUp(t, () => abort.abort());
  const response = await fetch(`${url}/v1/events`, { headers, signal: abort.signal });
  if (response.body === null || !response.ok) throw new Error(`no stream: HTTP ${response.status}`);
  const seen: Seen[] = [];
  const ended = readAll(response.body, seen);
  const all = <K extends keyof StreamEvents>(name: K): StreamEvents[K][] =>
    seen.flatMap((one) => (one.name === name ? [one.data as StreamEvents[K]] : []));
  return {
    headers: response.headers,
    all,
    ended,
    next: (name, timeoutMs = 5_000) => until(() => all(name)[0], timeoutMs, `an event ${name}`) as never,
    close: () => abort.abort(),
  };
}

async function readAll(body: ReadableStream<Uint8Array>, seen: Seen[]): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of body) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        const [, name, data] = /^event: (\S+)\ndata: (.*)$/.exec(part) ?? [];
        if (name !== undefined && data !== undefined) seen.push({ name, data: JSON.parse(data) });
      }
    }
  } catch (error) {
    // The test closed the stream, or the service was killed. Both end the stream.
    if (!(error instanceof Error)) throw error;
  }
}
