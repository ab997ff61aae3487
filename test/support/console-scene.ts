/** A publisher of a stage, and the console that it serves, opened in a browser. */
import type { TestContext } from "node:test";
import type { Page } from "../../tools/workshop/browser.ts";
import { MOSQUITTO_5 } from "./brokers.ts";
import { type OpenedPage, openPage, startBrowser } from "./browser.ts";
import { type PublisherProcess, type Stage, setStage } from "./pair.ts";
import type { Environment } from "./processes.ts";

export const LIMIT = { timeout: 110_000, skip: MOSQUITTO_5.missing ?? false };

export interface Scene extends OpenedPage {
  readonly stage: Stage;
  readonly publisher: PublisherProcess;
}

/** A publisher and its console page. Where no browser is installed: skips the test and returns null. */
export async function openScene(t: TestContext, address: string, env: Environment = {}): Promise<Scene | null> {
  const browser = await startBrowser(t);
  if (browser === null) return null;
  const stage = await setStage(t, { broker: MOSQUITTO_5, env });
  const publisher = await stage.publisher();
  const opened = await openPage(browser, `${publisher.url}/#${address}`);
  await opened.page.waitForSelector('[data-stream="live"]');
  return { ...opened, stage, publisher };
}

/** Waits until the page highlights a state of the link's connection. */
export function lit(page: Page, state: string): Promise<void> {
  return page.locator(`[data-state-id="link.connection.${state}"][aria-current="true"]`).first().waitFor();
}
