/** `send` when the service stops answering between two batches. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { runProgram } from "@acktor/cli/program";

test("CLI_SEND-1: accepted messages are reported, and those of an unanswered request as possibly accepted", async (t) => {
  let batches = 0;
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (bytes) => {
      body += String(bytes);
    });
    request.on("end", () => {
      if (++batches > 1) return response.destroy();
      const { messages } = JSON.parse(body) as { messages: readonly unknown[] };
      response.writeHead(201).end(JSON.stringify({ message_ids: messages.map((_, at) => `id-${at}`) }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const written = { out: "", err: "" };
  const writeTo = (stream: "out" | "err") => ({
    write(text: string): void {
      written[stream] += text;
    },
  });
  const streams = { stdin: {}, stdout: writeTo("out"), stderr: writeTo("err") };
  const world = {
    streams,
    env: {},
    signal: new AbortController().signal,
    clock: { now: () => 0 },
    process: { handOver: () => undefined },
  };
  const exit = await runProgram(["send", "a/b", "x", "--count", "1500", "--url", url], world);
  assert.deepEqual([exit, written.out], [3, ""]);
  assert.match(written.err, /^1000 messages were accepted before$/m);
  assert.match(written.err, /is unreachable .*; the last 500 messages may have been accepted/);
});
