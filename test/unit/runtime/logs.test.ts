import assert from "node:assert/strict";
import { test } from "node:test";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import { printable } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import fc from "fast-check";
import { keptLogger } from "../../support/kept-logger.ts";

test("a line is JSON with level, time, service and instance", () => {
  const { logger, lines } = keptLogger();
  logger.warn({ topic: "a" }, "hello");
  const line = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
  assert.equal(line["level"], "warn");
  assert.equal(line["service.name"], "acktor-publisher");
  assert.equal(line["service.instance.id"], "one");
  assert.equal(line["msg"], "hello");
  assert.equal(line["topic"], "a");
  assert.ok(!Number.isNaN(Date.parse(String(line["time"]))));
});

test("a line has no character that controls a terminal, regardless of its text's origin", () => {
  const { logger, lines } = keptLogger();
  const foreign = "a\u001b[2J\u009b31m\u007f\u2028\u202e\u200bb";
  logger.error({ err: new Error(foreign), [foreign]: foreign }, foreign);
  assert.equal(lines.length, 1);
  const line = lines[0] ?? "";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for them
  assert.doesNotMatch(line.replace(/\n$/, ""), /[\u0000-\u001f\u007f-\u009f\u2028\u202e\u200b]/);
  assert.equal((JSON.parse(line) as Record<string, unknown>)[foreign], foreign);
});

test("lines below the level are not written", () => {
  const { logger, lines } = keptLogger("error");
  for (const level of ["debug", "info", "warn", "error", "fatal"] as const) logger[level]({}, level);
  assert.equal(lines.length, 2);
});

test("values under a secret's name never reach a line", () => {
  const { logger, lines } = keptLogger();
  for (const name of ["password", "token", "secret", "authorization"]) {
    logger.info({ [name]: "hunter2", config: { [name]: "hunter2" } }, "x");
  }
  assert.equal(lines.length, 4);
  for (const line of lines) {
    assert.ok(!line.includes("hunter2"), line);
    assert.equal(line.split("[secret]").length, 3);
  }
});

test("foreign text keeps to one line of bounded length, without control characters", () => {
  const nasty = fc.string({
    unit: fc.oneof(fc.constantFrom("\n", "\r", "\u001b", "\u0000", "\u009b", "\u2028"), fc.string()),
  });
  fc.assert(
    fc.property(nasty, fc.integer({ min: 1, max: 300 }), (text, limit) => {
      const safe = printable(text, limit);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be left
      assert.doesNotMatch(safe, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      assert.ok(safe.length <= limit + 1);
    }),
  );
  assert.equal(printable("a\nb\u001b[31m"), "a\\u000ab\\u001b[31m");
  assert.equal(printable("äöü 🛰"), "äöü 🛰");
  assert.equal(printable("x".repeat(201)), `${"x".repeat(200)}…`);
});

test("THROTTLE-1: a kind is logged immediately, then once in a period, with how many lines were left out", () => {
  let now = 1_000;
  const throttle = new LogThrottle({ now: () => now }, 60_000);
  assert.equal(throttle.admit("a"), 0);
  assert.equal(throttle.admit("b"), 0);
  for (let i = 0; i < 5; i++) assert.equal(throttle.admit("a"), null);
  now += 59_999;
  assert.equal(throttle.admit("a"), null);
  now += 1;
  assert.equal(throttle.admit("a"), 6);
  assert.equal(throttle.admit("a"), null);
  now += 60_000;
  assert.equal(throttle.admit("a"), 1);
});

test("THROTTLE-2: kinds beyond the number that is remembered share one entry", () => {
  const throttle = new LogThrottle({ now: () => 0 }, 60_000, 2);
  assert.deepEqual(
    ["a", "b", "c", "d", "e", "a"].map((kind) => throttle.admit(kind)),
    [0, 0, 0, null, null, null],
  );
});

test("a pause resolves with true after its time, and with false when a stop ends it, before or during", async () => {
  const stop = new AbortController();
  assert.equal(await pause(1, stop.signal), true);
  const long = pause(60_000, stop.signal);
  stop.abort();
  assert.equal(await long, false);
  assert.equal(await pause(60_000, stop.signal), false);
});
