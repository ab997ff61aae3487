/** The console on a real pair: messages through outages, and a fleet of which one dies. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "../../tools/workshop/browser.ts";
import { LIMIT, openScene } from "../support/console-scene.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { anyTopic, type Stage } from "../support/pair.ts";
import { until } from "../support/until.ts";

test("a message that went through an outage shows its attempts", LIMIT, async (t) => {
  const nats = await startNatsServer(t);
  if (nats === null) return;
  const scene = await openScene(t, "/messages", { NATS_URL: nats.url });
  if (scene === null) return;
  const { page, stage, publisher } = scene;
  const topic = anyTopic();
  const id = await publisher.send({ topic, content: "through an outage" });
  await page.goto(`${publisher.url}/#/messages/${id}`);
  await page.locator('[data-moment="attempt"]').waitFor();
  await stage.broker.stop();
  await stage.broker.start();
  await stage.acker();
  await page.locator('[data-moment="acked"]').waitFor();
  const attempts = page.locator('[data-moment="attempt"]');
  await until(async () => (await attempts.count()) >= 2, 5_000, "two attempts in the timeline");
  assert.match((await attempts.first().textContent()) ?? "", /PUBACK 0x10/, "no subscriber");
  await page.locator('[data-moment="received"]').waitFor();
  assert.equal(await page.locator('[data-moment="received"]').count(), 1);
  // From the acker's inbox, which needs no open page.
  await page.locator('[data-moment="processed"]').waitFor();
  await page.goto(`${publisher.url}/#/messages?topic=${encodeURIComponent(topic)}&state=acknowledged`);
  await page.locator(`[data-message="${id}"]`).waitFor();
  await page.goto(`${publisher.url}/#/messages/019ab1b5-7a3c-7d10-8c55-0242ac120002`);
  await page.getByText("404").waitFor();
  scene.assertClean();
});

test("after an outage the overview shows its result: everything accepted was acknowledged", LIMIT, async (t) => {
  const scene = await openScene(t, "/overview");
  if (scene === null) return;
  const { page, stage, publisher } = scene;
  const { broker } = stage;
  await stage.acker();
  await page.locator('[data-mini="publisher/link"]').waitFor();
  await broker.stop();
  await page.locator('[data-warning="broker_away"]').waitFor();
  await page.locator('[data-outage="open"]').waitFor();
  const ids: string[] = [];
  for (let sent = 0; sent < 25; sent++) ids.push(await publisher.send({ topic: anyTopic(), content: "meanwhile" }));
  await broker.start();
  const account = page.locator('[data-outage="settled"]');
  await account.waitFor();
  assert.match((await account.textContent()) ?? "", /Accepted 25, acknowledged 25,/);
  await page.locator('[data-warning="broker_away"]').waitFor({ state: "detached" });
  await acknowledged(page, 25);
  await page.getByRole("button", { name: "Send 100" }).click();
  await page.locator("dialog input").fill(anyTopic());
  await page.locator("dialog .primary").click();
  await acknowledged(page, 125);
  await stage.assertDelivered({ accepted: ids, foreign: await othersThan(stage, ids) });
  scene.assertClean();
});

test(
  "three publishers and two ackers are five rows; one that is killed is stopped within ten seconds",
  LIMIT,
  async (t) => {
    const nats = await startNatsServer(t);
    if (nats === null) return;
    const scene = await openScene(t, "/machines", { NATS_URL: nats.url });
    if (scene === null) return;
    const { page, stage } = scene;
    const killed = await stage.publisher();
    await stage.publisher();
    await stage.acker();
    await stage.acker();
    const live = page.locator('[data-instance][data-status="live"]');
    await until(async () => (await live.count()) === 5, 15_000, "five rows");
    await killed.kill();
    const killedAt = performance.now();
    await page.locator('[data-instance][data-status="stopped"]').waitFor({ timeout: 10_000 });
    t.diagnostic(`stopped after ${(performance.now() - killedAt).toFixed(0)} ms`);
    assert.equal(await live.count(), 4);
    await nats.kill();
    await page.getByText("Partial view").waitFor();
    await nats.start();
    await page.getByText("Partial view").waitFor({ state: "detached" });
    scene.assertClean();
  },
);

async function acknowledged(page: Page, count: number): Promise<void> {
  const shown = page.locator('[data-count="acknowledged"] b').first();
  await until(async () => (await shown.textContent()) === String(count), 15_000, `${count} acknowledged messages`);
}

/** Messages that the page sent itself. */
async function othersThan(stage: Stage, ids: readonly string[]): Promise<Set<string>> {
  const rows = await stage.sql<{ id: string }>("select message_id::text id from publisher.message_delivery");
  return new Set(rows.map(({ id }) => id).filter((id) => !ids.includes(id)));
}
