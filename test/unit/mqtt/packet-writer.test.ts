/** The packets of a turn leave as one piece, and no piece is changed afterwards. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutgoingPublish } from "@acktor/shared/link/link";
import { decodePublish } from "@acktor/shared/mqtt/decode-publish";
import { sizeOfPublish } from "@acktor/shared/mqtt/encode-publish";
import { FrameSplitter } from "@acktor/shared/mqtt/frame-splitter";
import { PacketWriter } from "@acktor/shared/mqtt/packet-writer";

const message = (payload: string): OutgoingPublish => ({ topic: "a", payload, qos: 0, retain: false });

function writer() {
  const pieces: Buffer[] = [];
  const made = new PacketWriter({ write: (piece) => pieces.push(piece), flushThisTurn() {}, flushSoon() {} });
  const publish = (payload: string) => made.publish(message(payload), 4, 0, sizeOfPublish(message(payload), 4));
  return { writer: made, pieces, publish };
}

// WRITER-1
test("a piece that was written keeps its bytes, however much is written afterwards", () => {
  const { writer: made, pieces, publish } = writer();
  const copies: Buffer[] = [];
  for (let i = 0; i < 1_000; i++) {
    publish(String(i).repeat(100));
    made.flush();
    copies.push(Buffer.from(pieces.at(-1) ?? []));
  }
  assert.equal(pieces.length, 1_000);
  assert.deepEqual(pieces, copies);
});

test("a packet larger than the slab is sent complete, after what was collected before it", () => {
  const { writer: made, pieces, publish } = writer();
  publish("before");
  publish("x".repeat(200_000));
  publish("after");
  made.flush();
  made.flush();
  assert.equal(made.size, 0);
  const expected = ["before", "x".repeat(200_000), "after"];
  const found: string[] = [];
  const splitter = new FrameSplitter(1_000_000, {
    frame(bytes, start, body, end) {
      const decoded = decodePublish(bytes, start, body, end, 4);
      found.push(decoded.ok ? decoded.message.payload.toString() : decoded.why);
    },
    malformed: assert.fail,
  });
  for (const piece of pieces) splitter.push(piece);
  assert.deepEqual(found, expected);
});
