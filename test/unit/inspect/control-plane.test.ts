/** A service's connection to the control plane: which bus it uses, and which bus it stops. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import { ControlPlane, type ControlPlaneOptions } from "@acktor/shared/inspect/control-plane";
import { SYSTEM_CLOCK, SYSTEM_RANDOM } from "@acktor/shared/runtime/clock";
import { SealedBus } from "@acktor/shared/seal/sealed-bus";
import { keptLogger } from "../../support/kept-logger.ts";

function plane(over: Partial<ControlPlaneOptions>) {
  const log = keptLogger();
  const made = new ControlPlane({
    service: "acker",
    instance: "one",
    version: "1",
    natsUrl: null,
    natsCa: null,
    natsPrefix: "acktor.test",
    natsInbox: "_INBOX",
    natsSecret: null,
    sharedBus: null,
    logger: log.logger,
    definitions: [],
    controlled: { summary: () => ({}), execute: () => assert.fail(), record: () => assert.fail() },
    clock: SYSTEM_CLOCK,
    random: SYSTEM_RANDOM,
    ...over,
  });
  return { made, log };
}

test("PLANE-2: a shared bus keeps running, an own bus stops with the service", async () => {
  const shared = new LocalBus();
  for (const [sharedBus, delivered] of [
    [shared, true],
    [null, false],
  ] as const) {
    const { made } = plane({ sharedBus });
    made.start();
    await made.stop();
    const heard = new Promise<boolean>((resolve) => {
      made.bus.subscribe("acktor.test.any", () => resolve(true));
      setTimeout(() => resolve(false), 200);
    });
    made.bus.publish("acktor.test.any", "text");
    assert.equal(await heard, delivered);
  }
});

test("PLANE-3: with a secret the NATS bus is sealed; without one a warning is logged", async () => {
  const natsUrl = "nats://127.0.0.1:1";
  const sealed = plane({ natsUrl, natsSecret: "a secret of sixteen" });
  assert.ok(sealed.made.bus instanceof SealedBus);
  assert.deepEqual(sealed.log.messages(), []);
  const open = plane({ natsUrl });
  assert.match(open.log.messages().join(), /commands on NATS are not authenticated/);
  await Promise.all([sealed.made.stop(), open.made.stop()]);
});
