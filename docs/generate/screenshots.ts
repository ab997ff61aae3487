/**
 * `npm run screenshots`: pictures of the console for the README, light and dark, of a real pair with some traffic.
 *
 * Chromium is looked for in CHROMIUM, else where Debian puts it. The pair runs on an embedded database and broker of its
 * own, in a folder that is removed afterwards, on free ports.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { type Browser, chromium } from "../../tools/workshop/browser.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const IMAGES = path.join(ROOT, "docs/images");
const TRAFFIC_MS = 25_000;
const BATCH_EVERY_MS = 250;
const TOPICS = ["plant/7/pressure", "plant/7/temperature", "plant/9/valve", "orders/created", "orders/paid"];

interface Picture {
  readonly name: string;
  readonly place: string;
  readonly height: number;
}

const PICTURES: readonly Picture[] = [
  { name: "overview", place: "/overview", height: 1_000 },
  { name: "machines", place: "/machines", height: 900 },
];

/** Starts the pair; resolves with its address when it is ready. */
async function startPair(folder: string): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const [port, ackerPort] = await Promise.all([freePort(), freePort()]);
  const child = spawn(process.execPath, [path.join(ROOT, "tools/embedded/launch.mjs"), "start"], {
    cwd: ROOT,
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      ACKTOR_DATA_DIR: folder,
      ACKTOR_INSTANCE: "demo",
      HTTP_PORT: String(port),
      ACKTOR_ACKER_HTTP_PORT: String(ackerPort),
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  // The output is read until the end: a pipe that is full or closed would end the pair.
  const ready = new Promise<void>((resolve, reject) => {
    let said = "";
    child.stdout.on("data", (chunk) => {
      said += String(chunk);
      if (said.includes("acktor is ready")) resolve();
    });
    child.once("exit", (code) => reject(new Error(`the pair ended (${code}) before it was ready:\n${said}`)));
  });
  await ready;
  return { child, url: `http://127.0.0.1:${port}` };
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Sends batches of uneven size, as a day has them. */
async function send(url: string): Promise<void> {
  const end = Date.now() + TRAFFIC_MS;
  for (let round = 0; Date.now() < end; round++) {
    const size = 20 + Math.round(14 * Math.sin(round / 7)) + (round % 5);
    const messages = Array.from({ length: size }, (_, index) => {
      return { topic: TOPICS[(round + index) % TOPICS.length], content: JSON.stringify({ round, index }) };
    });
    const headers = { "content-type": "application/json" };
    await fetch(`${url}/v1/messages/batch`, { method: "POST", headers, body: JSON.stringify({ messages }) });
    await new Promise((resolve) => setTimeout(resolve, BATCH_EVERY_MS));
  }
}

/** Opens the pages first, so that their charts have a history when the traffic has been. */
async function takePictures(browser: Browser, url: string): Promise<void> {
  const opened = [];
  for (const colorScheme of ["light", "dark"] as const) {
    for (const picture of PICTURES) {
      const viewport = { width: 1_440, height: picture.height };
      const context = await browser.newContext({ colorScheme, locale: "en-GB", timezoneId: "UTC", viewport });
      const page = await context.newPage();
      await page.goto(`${url}/#${picture.place}`);
      opened.push({ page, file: path.join(IMAGES, `${picture.name}-${colorScheme}.png`) });
    }
  }
  await send(url);
  for (const { page, file } of opened) await page.screenshot({ path: file });
}

const folder = mkdtempSync(path.join(os.tmpdir(), "acktor-screenshots-"));
mkdirSync(IMAGES, { recursive: true });
const { child, url } = await startPair(folder);
const exited = once(child, "exit");
const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  await takePictures(browser, url);
} finally {
  await browser.close();
  child.kill("SIGTERM");
  await exited;
  rmSync(folder, { recursive: true, force: true });
}
