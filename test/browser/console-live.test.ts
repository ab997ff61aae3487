/** The console on a real pair, broker and PostgreSQL: what happens is seen, soon, and seen again from a recording. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { MOSQUITTO_5 } from "../support/brokers.ts";
import { type OpenedPage, openPage, startBrowser } from "../support/browser.ts";
import { firstEvent } from "../support/inspect-events.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { anyTopic, type PublisherProcess, type Stage, setStage } from "../support/pair.ts";
import type { Environment } from "../support/processes.ts";
import { until } from "../support/until.ts";

const LIMIT = { timeout: 110_000, skip: MOSQUITTO_5.missing ?? false };
/** From the transition, by the service's clock, to its being drawn. */
const DRAWN_WITHIN_MS = 1_000;

interface Scene extends OpenedPage {
  readonly stage: Stage;
  readonly publisher: PublisherProcess;
}

/** A publisher, and the page on it. */
async function openScene(t: TestContext, address: string, env: Environment = {}): Promise<Scene | null> {
  const browser = await startBrowser(t);
  if (browser === null) return null;
  const stage = await setStage(t, { broker: MOSQUITTO_5, env });
  const publisher = await stage.publisher();
  const opened = await openPage(browser, `${publisher.url}/#${address}`);
  await opened.page.waitForSelector('[data-stream="live"]');
  return { ...opened, stage, publisher };
}

test("a broker that stops lights RECONNECTING, one that is back CONNECTED, soon after the event", LIMIT, async (t) => {
  const scene = await openScene(t, "/machines");
  if (scene === null) return;
  const { page, stage, publisher } = scene;
  await lit(page, "CONNECTED");
  for (const state of ["RECONNECTING", "CONNECTED"]) {
    const drawn = noteWhenLit(page, state);
    const moved = firstEvent(publisher.url, ({ actor, value }) => {
      return actor === "link" && typeof value === "object" && value["connection"] === state;
    });
    await (state === "CONNECTED" ? stage.broker.start() : stage.broker.stop());
    const delayMs = (await drawn) - (await moved).ts;
    t.diagnostic(`${state} was drawn ${delayMs} ms after the event`);
    assert.ok(delayMs < DRAWN_WITHIN_MS, `${state} was drawn ${delayMs} ms after the event`);
  }
  assert.ok((await page.locator('[data-last="true"]').count()) > 0, "the transition just taken is marked");
  scene.assertClean();
});

test("what one may do now is a button, asked about, done, and refused when it came too late", LIMIT, async (t) => {
  const scene = await openScene(t, "/machines");
  if (scene === null) return;
  const { page, publisher } = scene;
  const confirm = async (command: string): Promise<void> => {
    await page.locator(`[data-command="${command}"]`).click();
    await page.locator("dialog .actions button").last().click();
  };
  await confirm("disconnect");
  await lit(page, "DISCONNECTED");
  await page.locator('[data-command="connect"]').click();
  // Somebody else was faster.
  assert.equal((await publisher.request("/v1/link/connect", {})).status, 200);
  await lit(page, "CONNECTED");
  await page.locator("dialog .actions button").last().click();
  await page.locator("dialog .fault").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  scene.assertClean();
});

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
  assert.match((await attempts.first().textContent()) ?? "", /PUBACK 0x10/, "nobody had subscribed");
  await page.locator('[data-moment="received"]').waitFor();
  assert.equal(await page.locator('[data-moment="received"]').count(), 1);
  await page.goto(`${publisher.url}/#/messages?topic=${encodeURIComponent(topic)}&state=acknowledged`);
  await page.locator(`[data-message="${id}"]`).waitFor();
  await page.goto(`${publisher.url}/#/messages/019ab1b5-7a3c-7d10-8c55-0242ac120002`);
  await page.getByText("404").waitFor();
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
    const [killed] = await Promise.all([stage.publisher(), stage.publisher(), stage.acker(), stage.acker()]);
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

test("time travel, export, and the recording opened again show the same rows", LIMIT, async (t) => {
  const scene = await openScene(t, "/log");
  if (scene === null) return;
  const { page, stage, publisher } = scene;
  await stage.acker();
  for (let sent = 0; sent < 20; sent++) await publisher.send({ topic: anyTopic(), content: String(sent) });
  await stage.broker.stop();
  await page.locator(".row", { hasText: "RECONNECTING" }).first().waitFor();
  await page.locator('[aria-pressed="false"]', { hasText: "Pause" }).click();
  const rows = await rowsOf(page);
  assert.ok(rows.length > 40, `${rows.length} rows`);
  await stage.broker.start();
  await page.getByText(/Go on \([1-9]/).waitFor();
  assert.deepEqual(await rowsOf(page), rows, "a paused log stands still");

  await page.locator(".row", { hasText: "RECONNECTING" }).first().click();
  await lit(page, "RECONNECTING");
  const frozen = await page.locator("[data-detail-row]").innerHTML();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export" }).click();
  const file = path.join(tmpdir(), `console-${process.pid}.jsonl`);
  await (await download).saveAs(file);
  assert.doesNotMatch(await readFile(file, "utf8"), /through|"payload"|password/, "no content is in it");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("[data-detail-row]").count(), 0, "Escape comes back to now");

  await page.locator('input[type="file"]').setInputFiles(file);
  await page.getByText("read only").waitFor();
  assert.deepEqual(await rowsOf(page), rows, "the recording shows the rows that were there");
  await page.locator(".row", { hasText: "RECONNECTING" }).first().click();
  assert.equal(await page.locator("[data-detail-row]").innerHTML(), frozen, "and the same chart and context at a row");
  scene.assertClean();
});

function lit(page: Page, state: string): Promise<void> {
  return page.locator(`[data-state-id="link.connection.${state}"][aria-current="true"]`).first().waitFor();
}

/** Resolves with the time, milliseconds since 1970, at which a state of the link was first seen lit. */
function noteWhenLit(page: Page, state: string): Promise<number> {
  // As text: what runs in the page must hold nothing of what compiles the tests.
  const selector = `[data-state-id="link.connection.${state}"][aria-current="true"]`;
  return page.evaluate(`new Promise((resolve) => {
    (function look() {
      if (document.querySelector('${selector}') !== null) resolve(Date.now());
      else requestAnimationFrame(look);
    })();
  })`);
}

/** Every row's words, newest first; only what is seen is in the document, so the list is made higher than all of it. */
async function rowsOf(page: Page): Promise<string[]> {
  await page.setViewportSize({ width: 1_400, height: 20_000 });
  const shown = Number(await page.locator("[data-shown]").getAttribute("data-shown"));
  const rows = page.locator(".row");
  await until(async () => (await rows.count()) === shown, 5_000, `${shown} rows in the document`);
  return rows.allInnerTexts();
}
