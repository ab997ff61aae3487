/** The page itself: accessible in both languages and themes, by keyboard, behind a token, and within its limits. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AXE_SOURCE, type Page } from "../../tools/workshop/browser.ts";
import { LOOKS, openPage, startBrowser } from "../support/browser.ts";
import { fakeFleet } from "../support/fake-fleet.ts";
import { type FakePublisher, ID, MESSAGE, startFakePublisher } from "../support/fake-publisher.ts";
import { until } from "../support/until.ts";

const PAGES = ["/overview", "/machines", "/log", "/messages", `/messages/${ID}`, "/messages/%zz", "/nowhere"];
const TROUBLE = {
  warnings: [
    { code: "broker_away", since: Date.now(), state: "RECONNECTING", reason: "ECONNREFUSED" },
    { code: "no_acker", since: Date.now() - 180_000 },
  ],
  outage: { began_at: 1, ended_at: 2, settled: true, accepted: 9, acknowledged: 9, resent: 2, double: 1 },
};

test("axe finds nothing serious on any page, in English light and in Japanese dark", {
  timeout: 180_000,
}, async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const fleet = fakeFleet(3, 2);
  const fake = await startFakePublisher(t, { fleet, messages: [MESSAGE] });
  fake.overview = TROUBLE;
  for (const look of LOOKS) {
    const { page, assertClean } = await openPage(browser, fake.url, { ...look, bypassCSP: true });
    for (const place of PAGES) {
      await page.goto(`${fake.url}/#${place}`);
      await page.locator("h1").waitFor();
      await page.locator('[data-stream="live"]').waitFor();
      if (place === "/log") await openRow(page, fake);
      assert.deepEqual(await seriousFaults(page), [], `${place} ${look.locale} ${look.colorScheme}`);
      await page.keyboard.press("Escape");
    }
    assertClean();
    await page.context().close();
  }

  /** The log with a row that is frozen, and its sequence diagram. */
  async function openRow(page: Page, { inspect }: FakePublisher): Promise<void> {
    const [publisher] = fleet;
    assert.ok(publisher);
    inspect(publisher.move("link", { connection: "RECONNECTING", breaker: "OPEN" }, "session.ended"));
    await page.locator(".row").first().click();
    await page.locator(".sequence-card summary").click();
    await page.locator(".sequence").waitFor();
  }
});

test("dialogs take the focus, keep it, give it back; Escape closes them; the dry run counts before", async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const fake = await startFakePublisher(t, { fleet: fakeFleet(1, 1), messages: [MESSAGE] });
  const { page, assertClean } = await openPage(browser, `${fake.url}/#/messages?state=failed`, { bypassCSP: true });
  const opener = page.getByRole("button", { name: "Replay all failed" });
  await opener.focus();
  await page.keyboard.press("Enter");
  await page.locator('[data-dry-run="17"]').waitFor();
  for (let tabs = 0; tabs < 6; tabs++) {
    await page.keyboard.press("Tab");
    const inside =
      "document.querySelector('dialog').contains(document.activeElement) || document.activeElement === document.body";
    assert.ok(await page.evaluate(inside), "the focus stays in the dialog");
  }
  assert.deepEqual(await seriousFaults(page), []);
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.equal(await page.locator(":focus").textContent(), await opener.textContent(), "the focus is back");
  assert.ok(
    fake.posts.every((post) => post.includes('"dry_run":true')),
    fake.posts.join(),
  );
  await opener.click();
  await page.getByRole("button", { name: "Replay 17" }).click();
  await until(() => fake.posts.some((post) => post.includes('"dry_run":false')), 5_000, "the replay itself");
  assertClean();
});

test("ROW_LIST-2: everything works by keyboard: skip link, rows by arrows, Escape back to now", async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const [publisher] = fakeFleet(1, 0);
  assert.ok(publisher);
  const fake = await startFakePublisher(t, { fleet: [publisher] });
  const { page, assertClean } = await openPage(browser, `${fake.url}/#/log?type=machines`);
  await page.locator('[data-stream="live"]').waitFor();
  fake.inspect(publisher.move("dispatcher", "CLAIMING", "outbox.woken"));
  fake.inspect(publisher.move("dispatcher", "WAITING", "xstate.done.actor.claim"));
  await page.locator(".row").nth(1).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.locator(":focus").textContent(), "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(":focus").getAttribute("id"), "main");
  await page.locator(".rows").focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.locator('[data-state-id="dispatcher.CLAIMING"][aria-current="true"]').waitFor();
  assert.match((await page.locator('.row[aria-selected="true"]').textContent()) ?? "", /outbox\.woken/);
  await page.keyboard.press("Escape");
  await page.locator('.row[aria-selected="true"]').waitFor({ state: "detached" });
  assertClean();
});

test("CONSOLE_CLIENT-2, SESSION-1: a form asks for the token; a token in the fragment is removed from the address", async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const token = "a+token/of %sixteen";
  const fake = await startFakePublisher(t, { fleet: fakeFleet(1, 1), token });
  const { page } = await openPage(browser, fake.url);
  await page.getByLabel("Token").fill("a wrong one");
  await page.keyboard.press("Enter");
  await page.getByText("The publisher refused this token.").waitFor();
  await page.getByLabel("Token").fill(token);
  await page.keyboard.press("Enter");
  await page.locator('[data-dependency="broker"]').waitFor();
  await page.reload();
  await page.locator('[data-dependency="broker"]').waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("Token required").waitFor();

  const another = await openPage(browser, `${fake.url}/#token=${encodeURIComponent(token)}`);
  await another.page.locator('[data-dependency="broker"]').waitFor();
  assert.doesNotMatch(another.page.url(), /token/);
});

test("LIVE-1, EVENT_STREAM-1: a lost stream is shown as stale and reconnects automatically; the rows stay", async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const fake = await startFakePublisher(t, { fleet: fakeFleet(2, 1) });
  const { page, assertClean } = await openPage(browser, `${fake.url}/#/machines`);
  const rows = page.locator("[data-instance]");
  await until(async () => (await rows.count()) === 3, 5_000, "three rows");
  const stale = page.locator('[data-stream="stale"]').waitFor();
  fake.hangUp();
  await stale;
  assert.equal(await rows.count(), 3);
  await page.locator('[data-stream="live"]').waitFor();
  assert.equal(fake.viewers(), 1);
  assertClean();
});

test("everything fits a narrow page: nothing but tables and pictures scrolls sideways", async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const fake = await startFakePublisher(t, { fleet: fakeFleet(3, 2), messages: [MESSAGE] });
  fake.overview = TROUBLE;
  const { page } = await openPage(browser, fake.url, { viewport: { width: 400, height: 800 } });
  for (const place of PAGES) {
    await page.goto(`${fake.url}/#${place}`);
    await page.locator("h1").waitFor();
    const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
    assert.ok(Number(overflow) <= 0, `${place} is ${overflow} px too wide`);
  }
});

/** Faults of axe that hinder people, as `rule: element`. */
async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(AXE_SOURCE);
  const run = "axe.run(document, { resultTypes: ['violations'] }).then((result) => result.violations)";
  const violations = (await page.evaluate(run)) as readonly {
    readonly id: string;
    readonly impact: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
}
