/** Server-sent events from chunks of text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { eventParser } from "../../../services/publisher/console/src/api/event-stream.ts";

function parse(pieces: readonly string[]): string[] {
  const events: string[] = [];
  const take = eventParser((type, data) => events.push(`${type} ${data}`));
  for (const piece of pieces) assert.ok(take(piece));
  return events;
}

test("types, data of several lines, comments, events without data", () => {
  const text =
    'event: inspect\ndata: {"a":1}\n\n: heartbeat\n\ndata: one\ndata: two\n\nevent: empty\n\ndata: unfinished';
  assert.deepEqual(parse([text]), ['inspect {"a":1}', "message one\ntwo"]);
});

test("however the text is cut, the events are the same", () => {
  const text = "event: a\ndata: 1\n\nevent: b\ndata: 2\n\n: still here\n\nevent: c\ndata: 3\n\n";
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), text.length];
      const pieces = places.slice(1).map((end, index) => text.slice(places[index], end));
      assert.deepEqual(parse(pieces), ["a 1", "b 2", "c 3"]);
    }),
  );
});

test("EVENT_STREAM-2: an event that does not end stops the parser", () => {
  const take = eventParser(() => assert.fail("nothing ended"));
  assert.ok(take("data: "));
  assert.equal(take("x".repeat(33 * 1024 * 1024)), false);
});
