/**
 * Server-sent events out of a body, as the HTML standard has them; comments (heartbeats) are passed over.
 *
 * Invariant: what is held is one event, of at most `MOST_CHARACTERS`; a longer one ends the stream.
 */

export interface ServerSentEvent {
  readonly name: string;
  readonly data: string;
}

const MOST_CHARACTERS = 32 * 1024 * 1024;

export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  let name = "message";
  let data: string[] = [];
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    // A line end that is cut between two chunks waits for its second half.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    if (rest.length > MOST_CHARACTERS) throw new Error("an event is too long");
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield { name, data: data.join("\n") };
        name = "message";
        data = [];
      } else if (line.startsWith("event:")) name = fieldValue(line);
      else if (line.startsWith("data:")) data.push(fieldValue(line));
    }
  }
}

function fieldValue(line: string): string {
  return line.slice(line.indexOf(":") + 1).replace(/^ /, "");
}
