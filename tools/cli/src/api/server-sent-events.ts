/**
 * Server-sent events of a body, by the HTML standard; comments (heartbeats) are skipped. One event is held at a time; one
 * longer than `MOST_CHARACTERS` ends the stream.
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
    // A line end may be cut between two chunks.
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
