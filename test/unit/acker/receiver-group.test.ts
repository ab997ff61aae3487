/** When an acker leaves its group, and when it comes back. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Intake } from "@acktor/acker/subscribe/intake";
import { Receiver } from "@acktor/acker/subscribe/receiver";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { createLogger } from "@acktor/shared/runtime/logger";
import { cleanUp } from "../../support/cleanup.ts";
import { type FakeLink, fakeLink } from "../../support/fake-link.ts";
import { HALF } from "../../support/test-clock.ts";

const logger = createLogger("acker", "a", "silent", { write: () => undefined });
const GROUPED = "$share/g/data/#";
const CONNECTED = { protocolVersion: 5, broker: "mqtt://b", clientId: "c" } as const;

function listening(t: TestContext): FakeLink {
  const link = fakeLink();
  link.shared = true;
  const presence = { ACKTOR_PRESENCE: "off", ACKTOR_PRESENCE_PREFIX: "acker" } as const;
  const config = { ACKTOR_TOPICS: ["data/#"], ACKTOR_TOPIC_MAP: null, ACKTOR_GROUP: "g", ...presence };
  const intake = { open: () => undefined, close: () => undefined } as unknown as Intake;
  const guard = new ListenerGuard({ logger, clock: SYSTEM_CLOCK });
  const parts = { link, intake, config, instance: "a", clock: SYSTEM_CLOCK, random: HALF, logger, guard };
  const receiver = new Receiver(parts);
  receiver.start();
  cleanUp(t, () => receiver.stop());
  return link;
}

function refuse(link: FakeLink, code: number | null): void {
  link.emit("link.refused", { feature: "subscription", filter: GROUPED, need: "optional", reason: "", code });
}

const filters = (link: FakeLink): string[] => [...link.subscribed.keys()];

// RECEIVER-3
test("a late SUBACK of the group costs it for this connection only", (t) => {
  const link = listening(t);
  assert.deepEqual(filters(link), [GROUPED]);
  refuse(link, null);
  assert.deepEqual(filters(link), ["data/#"]);
  link.emit("link.connected", CONNECTED);
  assert.deepEqual(filters(link), [GROUPED]);
});

// RECEIVER-3
test("a refusal by a code, or a broker that closes at the group, lasts until a reset", (t) => {
  const link = listening(t);
  refuse(link, 0x9e);
  link.emit("link.connected", CONNECTED);
  assert.deepEqual(filters(link), ["data/#"]);
  link.emit("link.transition", { region: "connection", from: "ERROR", to: "CONNECTING", event: "link.reset" });
  link.emit("link.connected", CONNECTED);
  assert.deepEqual(filters(link), [GROUPED]);
  link.state = "DISCONNECTED";
  refuse(link, null);
  link.state = "CONNECTED";
  link.emit("link.connected", CONNECTED);
  assert.deepEqual(filters(link), ["data/#"]);
});
