/** What waits to leave on a connection to NATS is bounded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NatsConnection } from "@acktor/shared/bus/nats-connection";
import { NatsSender } from "@acktor/shared/bus/nats-sender";

const MEBIBYTE = "x".repeat(1024 * 1024);

function rig() {
  const flushes: ((error?: Error) => void)[] = [];
  const made = { published: 0, closed: false };
  const connection = {
    publish() {
      if (made.closed) throw new Error("closed");
      made.published++;
    },
    flush: () =>
      new Promise<void>((resolve, reject) =>
        flushes.push((error) => (error === undefined ? resolve() : reject(error))),
      ),
  } as unknown as NatsConnection;
  return { made, flushes, sender: new NatsSender(connection) };
}

test("NATS-4: beyond 4 MiB that have not left, texts are dropped until the server has answered a flush", async () => {
  const { made, flushes, sender } = rig();
  for (let i = 0; i < 5; i++) assert.equal(sender.send("a", MEBIBYTE, undefined), true);
  assert.equal(sender.send("a", "one more", undefined), false);
  assert.equal(made.published, 5);
  assert.equal(flushes.length, 1, "one flush at a time");
  flushes[0]?.();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(sender.send("a", "one more", undefined), true);
});

test("BUS-2: a connection that has closed drops the text, and a flush that fails throws nothing", async () => {
  const { made, flushes, sender } = rig();
  assert.equal(sender.send("a", "x", undefined), true);
  made.closed = true;
  assert.equal(sender.send("a", "x", undefined), false);
  flushes[0]?.(new Error("closed"));
  await new Promise((resolve) => setImmediate(resolve));
});
