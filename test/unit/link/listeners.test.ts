/** A listener that throws does not affect the others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Listeners } from "@acktor/shared/link/listeners";

interface Events {
  happened: number;
}

// LISTENERS-1
test("the other listeners are called, the caller continues, the report has the error", () => {
  const reports: string[] = [];
  const listeners = new Listeners<Events>({
    listenerFailed: (error, event) => reports.push(`${event}: ${(error as Error).message}`),
  });
  const heard: number[] = [];
  listeners.on("happened", (n) => heard.push(n));
  listeners.on("happened", () => {
    throw new Error("mine");
  });
  listeners.on("happened", (n) => heard.push(n + 10));
  listeners.emit("happened", 1);
  assert.deepEqual(heard, [1, 11]);
  assert.deepEqual(reports, ["happened: mine"]);
});

// LISTENERS-1
test("a report that throws stops nothing either; the process emits a warning", async () => {
  const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
  const listeners = new Listeners<Events>({
    listenerFailed() {
      throw new Error("no disk");
    },
  });
  listeners.on("happened", () => {
    throw new Error("mine");
  });
  listeners.emit("happened", 1);
  assert.match((await warned).message, /no disk/);
});

test("the same function added twice is two listeners, each removed separately, also twice", () => {
  const listeners = new Listeners<Events>({ listenerFailed: assert.fail });
  let calls = 0;
  const listener = (): void => void calls++;
  const off = listeners.on("happened", listener);
  listeners.on("happened", listener);
  off();
  off();
  listeners.emit("happened", 1);
  assert.equal(calls, 1);
});

// LISTENERS-2
test("a listener removed or added during an event does not change who receives that event", () => {
  const listeners = new Listeners<Events>({ listenerFailed: assert.fail });
  const heard: string[] = [];
  const off = listeners.on("happened", () => {
    heard.push("first");
    off();
    listeners.on("happened", () => heard.push("late"));
  });
  listeners.on("happened", () => heard.push("second"));
  listeners.emit("happened", 1);
  assert.deepEqual(heard, ["first", "second"]);
  listeners.emit("happened", 2);
  assert.deepEqual(heard, ["first", "second", "second", "late"]);
});
