/** Bytes split into packets, in any pieces they arrive. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameSplitter } from "@acktor/shared/mqtt/frame-splitter";
import fc from "fast-check";

function splitter(maxBytes = 1_000_000) {
  const frames: string[] = [];
  const faults: string[] = [];
  const made = new FrameSplitter(maxBytes, {
    frame: (bytes, start, body, end) => frames.push(`${bytes[start]}:${bytes.subarray(body, end).toString("hex")}`),
    malformed: (why) => faults.push(why),
  });
  return { splitter: made, frames, faults };
}

function frame(header: number, body: Uint8Array): Buffer {
  const length: number[] = [];
  for (let rest = body.length; ; rest >>= 7) {
    length.push((rest & 127) | (rest >= 128 ? 128 : 0));
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from([header, ...length]), body]);
}

const packets = fc.array(
  fc.record({
    header: fc.nat(255),
    body: fc.oneof(
      { weight: 5, arbitrary: fc.uint8Array({ maxLength: 40 }) },
      { weight: 1, arbitrary: fc.constantFrom(127, 128, 16_383, 16_384, 70_000).map((size) => new Uint8Array(size)) },
    ),
  }),
  { maxLength: 20 },
);

// FRAME-1, FRAME-3
test("from any pieces the same packets come out, each as soon as it is complete", () => {
  fc.assert(
    fc.property(packets, fc.infiniteStream(fc.integer({ min: 1, max: 30_000 })), fc.boolean(), (list, sizes, tiny) => {
      const { splitter: made, frames } = splitter();
      const encoded = list.map(({ header, body }) => frame(header, body));
      const all = Buffer.concat(encoded);
      let at = 0;
      for (const size of sizes) {
        if (at >= all.length) break;
        const piece = tiny && all.length < 3_000 ? 1 : size;
        made.push(all.subarray(at, at + piece));
        at = Math.min(all.length, at + piece);
        let whole = 0;
        for (let end = encoded[0]?.length ?? 0; whole < encoded.length && end <= at; ) {
          whole++;
          end += encoded[whole]?.length ?? 0;
        }
        assert.equal(frames.length, whole);
      }
      const expected = list.map(({ header, body }) => `${header}:${Buffer.from(body).toString("hex")}`);
      assert.deepEqual(frames, expected);
    }),
  );
});

// FRAME-2
test("a packet that is too long is refused by its length, before its bytes arrive", () => {
  const { splitter: made, frames, faults } = splitter(100);
  made.push(Buffer.concat([frame(0x30, Buffer.alloc(98)), Buffer.from([0x30, 99])]));
  assert.equal(frames.length, 1);
  assert.deepEqual(faults, ["a packet of 101 bytes"]);
  made.push(frame(0x30, Buffer.alloc(1)));
  assert.equal(frames.length, 1, "nothing is passed on afterwards");
  assert.equal(faults.length, 1);
});

test("a length field of five bytes is refused", () => {
  const { splitter: made, faults } = splitter();
  made.push(Buffer.from([0x30, 0xff, 0xff]));
  assert.deepEqual(faults, []);
  made.push(Buffer.from([0xff, 0xff]));
  assert.equal(faults.length, 1);
});

// FRAME-2
test("closed in the middle of a piece, it passes on nothing more of that piece", () => {
  const frames: number[] = [];
  const made: FrameSplitter = new FrameSplitter(100, {
    frame(bytes, start) {
      frames.push(bytes[start] ?? 0);
      made.close();
    },
    malformed: assert.fail,
  });
  made.push(Buffer.concat([frame(1, Buffer.alloc(1)), frame(2, Buffer.alloc(1))]));
  assert.deepEqual(frames, [1]);
});
