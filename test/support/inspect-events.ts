/** The events of `GET /v1/events`, for tests that compare them with what a page shows. */
import type { ActorEvent, InspectEvent } from "@acktor/shared/inspect/wire";

const LIMIT_MS = 20_000;

/** Resolves with the actor's first event from now on that `matches`. */
export async function firstEvent(url: string, matches: (event: ActorEvent) => boolean): Promise<ActorEvent> {
  const response = await fetch(`${url}/v1/events`, { signal: AbortSignal.timeout(LIMIT_MS) });
  if (response.body === null) throw new Error(`no stream: HTTP ${response.status}`);
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = `${rest}${text}`.split("\n\n");
    rest = blocks.pop() ?? "";
    for (const event of blocks.flatMap(inspectEvents)) if (event.kind !== "deliveries" && matches(event)) return event;
  }
  throw new Error("the stream ended without the event");
}

function inspectEvents(block: string): InspectEvent[] {
  if (!block.startsWith("event: inspect\n")) return [];
  return [JSON.parse(block.slice(block.indexOf("data:") + 5)) as InspectEvent];
}
