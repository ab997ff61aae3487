/**
 * The console on a real pair and broker: events are drawn soon, and a recording shows them again.
 *
 * Runs alone: it measures how soon an event is drawn.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { Page } from "../../tools/workshop/browser.ts";
import { LIMIT, lit, openScene } from "../support/console-scene.ts";
import { firstEvent } from "../support/inspect-events.ts";
import { anyTopic } from "../support/pair.ts";
import { until } from "../support/until.ts";

/** From the transition, by the service's clock, to its display. */
const DRAWN_WITHIN_MS = 1_000;

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

test("a possible command is a button with a confirmation, and is refused when it comes too late", LIMIT, async (t) => {
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
  // Another operator acted first.
  assert.equal((await publisher.request("/v1/link/connect", {})).status, 200);
  await lit(page, "CONNECTED");
  await page.locator("dialog .actions button").last().click();
  await page.locator("dialog .fault").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  scene.assertClean();
});

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
  await page.getByText(/Resume \([1-9]/).waitFor();
  assert.deepEqual(await rowsOf(page), rows, "VIEWPOINT-1: a paused log does not change");

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

/** Resolves with the time, milliseconds since 1970, at which the page first highlighted a state of the link. */
function noteWhenLit(page: Page, state: string): Promise<number> {
  // As text: code for the page must not contain helpers of the tests' compiler.
  const selector = `[data-state-id="link.connection.${state}"][aria-current="true"]`;
  return page.evaluate(`new Promise((resolve) => {
    (function look() {
      if (document.querySelector('${selector}') !== null) resolve(Date.now());
      else requestAnimationFrame(look);
    })();
  })`);
}

/** Every row's text, newest first. Only visible rows are in the document, so the list is made higher than all rows. */
async function rowsOf(page: Page): Promise<string[]> {
  await page.setViewportSize({ width: 1_400, height: 20_000 });
  const shown = Number(await page.locator("[data-shown]").getAttribute("data-shown"));
  const rows = page.locator(".row");
  await until(async () => (await rows.count()) === shown, 5_000, `${shown} rows in the document`);
  return rows.allInnerTexts();
}
