/** A throwing listener hurts nobody else (S6). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Listeners } from "@acktor/shared/link/listeners";

interface Events {
  told: number;
}

test("the others are called, the teller goes on, the report has the error", () => {
  const reports: string[] = [];
  const listeners = new Listeners<Events>((error, event) => reports.push(`${event}: ${(error as Error).message}`));
  const heard: number[] = [];
  listeners.on("told", (n) => heard.push(n));
  listeners.on("told", () => {
    throw new Error("mine");
  });
  listeners.on("told", (n) => heard.push(n + 10));
  listeners.tell("told", 1);
  assert.deepEqual(heard, [1, 11]);
  assert.deepEqual(reports, ["told: mine"]);
});

test("a report that throws ends nothing either; the process is warned", async () => {
  const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
  const listeners = new Listeners<Events>(() => {
    throw new Error("no disk");
  });
  listeners.on("told", () => {
    throw new Error("mine");
  });
  listeners.tell("told", 1);
  assert.match((await warned).message, /no disk/);
});

test("the same function twice is two listeners, each taken away by itself, twice if need be", () => {
  const listeners = new Listeners<Events>(assert.fail);
  let calls = 0;
  const listener = (): void => void calls++;
  const off = listeners.on("told", listener);
  listeners.on("told", listener);
  off();
  off();
  listeners.tell("told", 1);
  assert.equal(calls, 1);
});

test("one that is taken away, or added, while an event is told leaves the telling whole", () => {
  const listeners = new Listeners<Events>(assert.fail);
  const heard: string[] = [];
  const off = listeners.on("told", () => {
    heard.push("first");
    off();
    listeners.on("told", () => heard.push("late"));
  });
  listeners.on("told", () => heard.push("second"));
  listeners.tell("told", 1);
  assert.deepEqual(heard, ["first", "second"]);
  listeners.tell("told", 2);
  assert.deepEqual(heard, ["first", "second", "second", "late"]);
});
