/**
 * Chromium for tests of the console.
 *
 *  CONSOLE_CLIENT-1: a test fails if the page sent a request to another origin, violated its content security policy, or
 *  threw an error. The browser is closed after the test.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "../../tools/workshop/browser.ts";
import { cleanUp } from "./cleanup.ts";
import { need } from "./require.ts";

/** No sandbox: test machines have no user namespaces for it. No telemetry. */
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Each language and each palette once: colours do not depend on the language. */
export const LOOKS = [
  { locale: "en-GB", colorScheme: "light" },
  { locale: "ja-JP", colorScheme: "dark" },
] as const;

export interface OpenedPage {
  readonly page: Page;
  /** Fails when the page violated CONSOLE_CLIENT-1. */
  assertClean(): void;
}

/** Starts the browser. Where none is installed: skips the test and returns null. */
export async function startBrowser(t: TestContext): Promise<Browser | null> {
  const program = need("chromium", t);
  if (program === null) return null;
  const browser = await chromium.launch({ executablePath: program, args: ARGS });
  cleanUp(t, () => browser.close());
  return browser;
}

/** Opens a page in its own context, and watches it from its first request. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<OpenedPage> {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  const { origin } = new URL(url);
  page.on("request", (request) => {
    const asked = request.url();
    if (!asked.startsWith(origin) && !/^(data|blob):/.test(asked)) faults.push(`asked another origin: ${asked}`);
  });
  page.on("pageerror", (error) => faults.push(`met an error: ${error.message}`));
  page.on("console", (message) => {
    // The browser itself logs a refused request.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      faults.push(message.text());
  });
  await page.goto(url);
  return { page, assertClean: () => assert.deepEqual(faults, []) };
}
