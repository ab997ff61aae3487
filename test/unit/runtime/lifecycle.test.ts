import assert from "node:assert/strict";
import { test } from "node:test";
import { Lifecycle } from "@acktor/shared/runtime/lifecycle";

test("LIFECYCLE-1: a part begins once, and never after its stop", async () => {
  const life = new Lifecycle();
  assert.equal(life.begin(), true);
  assert.equal(life.begin(), false);
  assert.equal(life.state, "RUNNING");
  const early = new Lifecycle();
  await early.stop();
  assert.equal(early.begin(), false);
  assert.equal(early.state, "STOPPED");
});

test("LIFECYCLE-2 and LIFECYCLE-3: a stop closes once, after the signal; every caller waits for it", async () => {
  const life = new Lifecycle();
  let closes = 0;
  let finish = (): void => undefined;
  const close = (): Promise<void> => {
    closes++;
    assert.equal(life.signal.aborted, true);
    return new Promise((resolve) => {
      finish = resolve;
    });
  };
  const stops = [life.stop(close), life.stop(close)];
  assert.equal(life.state, "STOPPING");
  finish();
  await Promise.all(stops);
  await life.stop(close);
  assert.equal(closes, 1);
  assert.equal(life.state, "STOPPED");
});

test("LIFECYCLE-2: a stop from within the close, or from a listener of the signal, does not close again", async () => {
  const life = new Lifecycle();
  const inner: Promise<void>[] = [];
  let closes = 0;
  const close = async (): Promise<void> => {
    closes++;
    if (closes < 3) inner.push(life.stop(close));
  };
  life.signal.addEventListener("abort", () => inner.push(life.stop(close)));
  await life.stop(close);
  await Promise.all(inner);
  assert.equal(closes, 1);
  assert.equal(inner.length, 2);
});

test("a close that fails fails the stop of every caller", async () => {
  const life = new Lifecycle();
  const close = (): Promise<void> => Promise.reject(new Error("no"));
  await assert.rejects(life.stop(close), /no/);
  await assert.rejects(life.stop(close), /no/);
});

test("LIFECYCLE-4: tracked work ends before the part counts as stopped", async () => {
  const life = new Lifecycle();
  const order: string[] = [];
  life.track(
    new Promise<void>((resolve) => {
      life.signal.addEventListener("abort", () => setImmediate(resolve));
    }).then(() => order.push("work ended")),
  );
  await life.stop();
  order.push("stopped");
  assert.deepEqual(order, ["work ended", "stopped"]);
});
