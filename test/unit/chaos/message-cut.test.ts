/** Messages of PostgreSQL's protocol in a stream of bytes, and the cut at one of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageCut } from "@acktor/chaos/proxy/message-cut";
import { splitIntoMessages } from "@acktor/chaos/proxy/postgres-messages";
import type { Direction } from "@acktor/chaos/proxy/tcp-proxy";
import fc from "fast-check";

/** Without a type: the first message of a client. */
function untyped(body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([length, body]);
}

const typed = (type: string, body: Buffer): Buffer => Buffer.concat([Buffer.from(type), untyped(body)]);
const STARTUP = untyped(Buffer.from("\0\x03\0\0user\0lab\0\0", "latin1"));
const ASK_FOR_TLS = Buffer.from("0000000804d2162f", "hex");

/** Everything through an inspector, in chunks that end where `cuts` say. */
function pass(direction: Direction, bytes: Buffer, cuts: readonly number[], seen: Buffer[], inspector = inspect(seen)) {
  let from = 0;
  for (const cut of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    if (cut > from) inspector.onData(direction, bytes.subarray(from, cut));
    from = Math.max(from, cut);
  }
  return inspector;
}

function inspect(seen: Buffer[]) {
  return splitIntoMessages({ send: (_direction, bytes) => seen.push(Buffer.from(bytes)), end: () => undefined });
}

test("POSTGRES_MESSAGES-1: in any chunks, each message is passed on once, complete and in order", () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
  fc.assert(
    fc.property(bodies, fc.array(fc.nat(), { maxLength: 30 }), (bodies, cuts) => {
      const messages = [STARTUP, ...bodies.map((body) => typed("Q", Buffer.from(body)))];
      const seen: Buffer[] = [];
      pass("to_server", Buffer.concat(messages), cuts, seen);
      assert.deepEqual(seen, messages);
    }),
  );
});

test("POSTGRES_MESSAGES-2: a client that asks for encryption starts after the answer N, and is not inspected after S", () => {
  const refused: Buffer[] = [];
  const inspector = pass("to_server", ASK_FOR_TLS, [], refused);
  pass("to_client", Buffer.from("N"), [], refused, inspector);
  pass("to_server", Buffer.concat([STARTUP, typed("S", Buffer.alloc(0))]), [3, 20], refused, inspector);
  assert.deepEqual(refused, [ASK_FOR_TLS, Buffer.from("N"), STARTUP, typed("S", Buffer.alloc(0))]);

  const granted: Buffer[] = [];
  const encrypted = pass("to_server", ASK_FOR_TLS, [], granted);
  pass("to_client", Buffer.from("S"), [], granted, encrypted);
  pass("to_server", Buffer.from("\x16\x03\x01\xff\xff\xff", "latin1"), [], granted, encrypted);
  assert.equal(granted.at(-1)?.length, 6, "a chunk as it came");
});

test("MESSAGE_CUT-1: the cut hits the n-th message and none after it", () => {
  const cut = new MessageCut();
  assert.equal(cut.take(), "pass");
  cut.arm(2, "after");
  assert.deepEqual([cut.take(), cut.take(), cut.take(), cut.take()], ["pass", "cut after", "pass", "pass"]);
  assert.equal(cut.disarm(), true);
  cut.arm(1, "before");
  assert.equal(cut.take(), "cut before");
  cut.arm(3, "before");
  assert.equal(cut.disarm(), false);
  assert.equal(cut.take(), "pass");
});
