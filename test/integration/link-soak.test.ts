/** 5,000 connections that come and go: the heap and the handles stay where they were. */
import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createLink } from "@acktor/shared/link/create-link";
import { cleanUp } from "../support/cleanup.ts";
import { until } from "../support/until.ts";

const RECONNECTS = 5_000;
/** The first connections compile code and fill caches; what they leave behind is no leak. */
const WARM_UP = 1_000;
const GROWTH_LIMIT_BYTES = 1_024 * 1_024;

const CONNACK = Buffer.from([0x20, 3, 0, 0, 0]);

/**
 * A broker that accepts, and resets as soon as the link has published. A reset leaves no port in TIME_WAIT, of which
 * there are not so many.
 */
async function startRevolvingDoor(): Promise<{ url: string; close: () => Promise<void> }> {
  const server = net.createServer({ noDelay: true }, (socket) => {
    let packets = 0;
    socket.on("error", () => socket.destroy());
    socket.on("data", () => {
      if (packets++ === 0) socket.write(CONNACK);
      else socket.resetAndDestroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  const close = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  return { url: `mqtt://127.0.0.1:${port}`, close };
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function measure(): { heap: number; handles: number } {
  collectGarbage();
  return { heap: process.memoryUsage().heapUsed, handles: process.getActiveResourcesInfo().length };
}

test(`${RECONNECTS} reconnects leave no heap, no timer and no socket behind`, { timeout: 120_000 }, async (t) => {
  const door = await startRevolvingDoor();
  const link = createLink({
    url: door.url,
    version: "5",
    backoff: { baseMs: 0, capMs: 0, floorMs: 0 },
    breaker: { minCalls: 1_000_000, connectFailures: 1_000_000 },
  });
  cleanUp(t, door.close);
  cleanUp(t, () => link.stop());
  const outcomes = { acked: 0, refused: 0, lost: 0, unsent: 0 };
  link.on("link.connected", () => {
    link.publish({ topic: "a", payload: "x", qos: 1, retain: false }, ({ kind }) => void outcomes[kind]++);
  });
  const reach = (count: number) =>
    until(() => link.info().stats.disconnections >= count, 100_000, `${count} reconnects`);
  await link.connect();
  await reach(WARM_UP);
  const before = measure();
  await reach(RECONNECTS);
  const after = measure();
  t.diagnostic(`heap ${before.heap} → ${after.heap}, handles ${before.handles} → ${after.handles}`);
  assert.ok(after.heap - before.heap < GROWTH_LIMIT_BYTES, `the heap grew by ${after.heap - before.heap} bytes`);
  assert.ok(after.handles <= before.handles + 5, `handles: ${before.handles} → ${after.handles}`);
  const { successfulConnections } = link.info().stats;
  await link.stop();
  assert.equal(outcomes.lost + outcomes.unsent, successfulConnections, "one outcome for each publish");
});
