/** What the console shows of principals: who is logged in, what the token does not allow, the audit, tokens. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AXE_SOURCE, type Page } from "../../tools/workshop/browser.ts";
import { LOOKS, openPage, startBrowser } from "../support/browser.ts";
import { fakeFleet } from "../support/fake-fleet.ts";
import { ID, MESSAGE, startFakePublisher, TOKEN } from "../support/fake-publisher.ts";
import { until } from "../support/until.ts";

const TEAM = {
  name: "team-a",
  scopes: ["send", "read"],
  topics: { write: ["team-a/#"], read: ["team-a/#", "shared/+/state"] },
  requests_per_second: 100,
  most_waiting: 10_000,
  expires_at: "2027-03-01T00:00:00.000Z",
  authenticated: true,
};
const EVERYTHING = { write: ["#"], read: ["#"] };
const OPS = {
  ...TEAM,
  name: "ops",
  scopes: ["send", "read", "operate", "admin"],
  topics: EVERYTHING,
  expires_at: null,
};
const LOCAL = { ...OPS, name: "local", requests_per_second: null, most_waiting: null, authenticated: false };

function action(id: number, over: Record<string, unknown> = {}): Record<string, unknown> {
  const at = new Date(Date.UTC(2026, 10, 30, 8, 0, id)).toISOString();
  const what = {
    action: "replay",
    outcome: "done",
    origin: "127.0.0.1",
    messages: 1_204,
    detail: { topic: "team-a/x" },
  };
  return { action_id: String(id), at, who: "ops", said: null, ...what, ...over };
}

const AUDIT = [
  action(124, { said: "<b>Eve</b>", action: "breaker.open", messages: 0, detail: { service: "publisher" } }),
  action(123, { who: "10.0.0.7", outcome: "unauthorized", action: "drain", messages: 0, detail: null }),
  action(122, { who: "team-a", outcome: "forbidden", action: "discard", detail: {} }),
  ...Array.from({ length: 121 }, (_, at) => action(121 - at)),
];
const PRINCIPALS = [
  { ...TEAM, created_at: "2026-11-01T00:00:00.000Z", created_by: "ops", revoked_at: null },
  {
    ...TEAM,
    name: "team-b",
    expires_at: "2026-01-01T00:00:00.000Z",
    created_at: "2025-12-01T00:00:00.000Z",
    created_by: "ops",
    revoked_at: null,
  },
  {
    ...TEAM,
    name: "old",
    created_at: "2025-12-01T00:00:00.000Z",
    created_by: "ops",
    revoked_at: "2026-01-01T00:00:00.000Z",
  },
];

test("a token of one team: its name, its messages, and a clear explanation instead of the fleet", async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const fake = await startFakePublisher(t, { fleet: fakeFleet(1, 1), messages: [MESSAGE], me: TEAM });
  const { page, assertClean } = await openPage(browser, fake.url);
  await page.locator('[data-me="team-a"]').waitFor();
  for (const place of ["/overview", "/machines", "/log"]) {
    await page.goto(`${fake.url}/#${place}`);
    await page.getByText("Your token may read only team-a/#, shared/+/state.").waitFor();
  }
  assert.equal(await page.locator("nav a", { hasText: "Audit" }).count(), 0);
  for (const place of ["/audit", "/tokens"]) {
    await page.goto(`${fake.url}/#${place}`);
    await page.getByText("Your token lacks the scope admin.").waitFor();
  }
  await page.goto(`${fake.url}/#/overview`);
  await page.getByRole("link", { name: "Show the messages that you may read" }).click();
  await page.locator(`[data-message="${ID}"]`).waitFor();
  assert.deepEqual(fake.asked, [], "nothing is asked for that would be refused");
  assert.equal(fake.viewers(), 0);
  assert.equal(await page.locator("[data-stream]").count(), 0);
  assertClean();
});

test("what the scope does not allow does nothing, says why, and keeps its place for the keyboard", async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const reader = { ...TEAM, scopes: ["read"], topics: EVERYTHING };
  const fake = await startFakePublisher(t, { fleet: fakeFleet(1, 1), messages: [MESSAGE], me: reader });
  const { page, assertClean } = await openPage(browser, fake.url, { bypassCSP: true });
  const places: readonly (readonly [string, string, RegExp])[] = [
    ["/overview", "Send 100", /scope send/],
    ["/messages?state=failed", "Send a test message", /scope send/],
    ["/messages?state=failed", "Replay all failed", /scope operate/],
    ["/messages?topic=a", "Cancel all waiting", /scope operate/],
    ["/messages", "Replay", /scope operate/],
    ["/machines?actor=publisher/publisher-1/link", "Disconnect", /scope operate/],
  ];
  for (const [place, name, why] of places) {
    await page.goto(`${fake.url}/#${place}`);
    const button = page.getByRole("button", { name, exact: true }).first();
    await button.waitFor();
    assert.equal(await button.getAttribute("aria-disabled"), "true", name);
    assert.match((await button.getAttribute("title")) ?? "", why, name);
    await button.focus();
    assert.equal(await page.locator(":focus").textContent(), name);
    await page.keyboard.press("Enter");
    await button.click({ force: true });
    assert.equal(await page.locator("dialog").count(), 0, name);
    assert.deepEqual(await seriousFaults(page), [], place);
  }
  assert.deepEqual(fake.posts, []);
  assertClean();
});

test("send alone: a message can be sent, and nothing is read", async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const sender = { ...TEAM, scopes: ["send"], topics: { write: ["team-a/#"], read: [] } };
  const fake = await startFakePublisher(t, { fleet: fakeFleet(1, 1), me: sender });
  const { page, assertClean } = await openPage(browser, `${fake.url}/#/messages`);
  await page.getByText("Your token lacks the scope read.").waitFor();
  await page.getByRole("button", { name: "Send a test message" }).click();
  await page.locator("dialog").waitFor();
  await page.goto(`${fake.url}/#/messages/${ID}`);
  await page.getByText("Your token lacks the scope read.").waitFor();
  assert.deepEqual(fake.asked, []);
  assertClean();
});

test("ME-1: an older publisher without principals, or one that requires no token: everything is offered", async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const old = await startFakePublisher(t, { fleet: fakeFleet(1, 1), messages: [MESSAGE] });
  const { page } = await openPage(browser, old.url);
  await page.locator('[data-stream="live"]').waitFor();
  assert.equal(await page.locator("[data-me]").count(), 0);
  assert.equal(await page.locator('[aria-disabled="true"]').count(), 0);
  const open = await startFakePublisher(t, { fleet: fakeFleet(1, 1), me: LOCAL });
  const local = await openPage(browser, open.url);
  await local.page.locator('[data-me="local"]').click();
  await local.page.getByText("This publisher requires no token").waitFor();
  await local.page.getByRole("button", { name: "Sign in" }).click();
  await local.page.getByRole("heading", { name: "Token required" }).waitFor();
  await local.page.getByRole("button", { name: "Continue without a token" }).click();
  await local.page.locator('[data-stream="live"]').waitFor();
  local.assertClean();
});

test("login, what it may, logout", async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const fake = await startFakePublisher(t, { fleet: fakeFleet(1, 1), me: TEAM, token: "right" });
  const { page } = await openPage(browser, fake.url);
  await page.getByLabel("Token").fill("right");
  await page.keyboard.press("Enter");
  await page.locator('[data-me="team-a"]').click();
  for (const text of ["send, read", "team-a/#", "100", "10,000"])
    await page.locator("dialog dd", { hasText: text }).first().waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("Token required").waitFor();
  assert.equal(await page.locator("[data-me]").count(), 0, "nothing is left of who it was");
  assert.equal(await page.evaluate("sessionStorage.length"), 0);
});

test("the audit: who and what is said apart, filters in the address, pages, foreign text as text", async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const fake = await startFakePublisher(t, { fleet: fakeFleet(1, 1), me: OPS, audit: AUDIT });
  const { page, assertClean } = await openPage(browser, fake.url);
  await page.getByRole("link", { name: "Audit" }).click();
  const rows = page.locator("[data-action]");
  await rows.first().waitFor();
  assert.equal(await rows.count(), 50);
  const [first = "", second = ""] = await rows.allTextContents();
  assert.match(first, /ops \(claims <b>Eve<\/b>\).*breaker\.open.*done.*\{"service":"publisher"\}/);
  assert.match(second, /10\.0\.0\.7.*drain.*no valid token/);
  await page.getByRole("link", { name: "Older" }).click();
  await page.locator('[data-action="74"]').waitFor();
  await page.getByRole("link", { name: "Older" }).click();
  await page.locator('[data-action="1"]').waitFor();
  assert.equal(await page.getByRole("link", { name: "Older" }).count(), 0);
  await page.getByRole("link", { name: "Newest" }).click();
  await page.getByLabel("Who").fill("team-a");
  await page.getByRole("button", { name: "Filter" }).click();
  await until(async () => (await rows.count()) === 1, 5_000, "the one action of team-a");
  assert.match(page.url(), /who=team-a/);
  await page.goto(`${fake.url}/#/audit?action=drain`);
  await page.locator('[data-action="123"]').waitFor();
  await until(async () => (await rows.count()) === 1, 5_000, "the one drain");
  assertClean();
});

test("tokens: listed, made with the token shown once, revoked; every change is JSON", async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const fake = await startFakePublisher(t, { fleet: fakeFleet(1, 1), me: OPS, principals: PRINCIPALS });
  const { page, assertClean } = await openPage(browser, `${fake.url}/#/tokens`);
  await page.locator('[data-principal="team-a"][data-state="inForce"]').waitFor();
  await page.locator('[data-principal="team-b"][data-state="expired"]').waitFor();
  await page.locator('[data-principal="old"][data-state="revoked"]').waitFor();
  await page.getByRole("button", { name: "Create a token" }).click();
  await page.getByLabel("Name").fill("taken");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByText("the name is in force").waitFor();
  await page.getByLabel("Name").fill("team-c");
  await page.getByLabel(/^read/).uncheck();
  await page.getByLabel(/^Topics to write/).fill("team-c/#, shared/#");
  await page.getByLabel(/^Days/).fill("90");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  assert.equal(await page.locator("[data-token]").textContent(), TOKEN);
  await page.getByRole("button", { name: "Close" }).click();
  await page.locator('[data-principal="team-c"]').waitFor();
  assert.ok(!(await page.content()).includes(TOKEN), "SHOWN_ONCE-1");
  assert.ok(!String(await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")).includes(TOKEN));
  await page.locator('[data-principal="team-a"]').getByRole("button", { name: "Revoke" }).click();
  await page.locator("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.locator('[data-principal="team-a"][data-state="revoked"]').waitFor();
  const topics = { write: ["team-c/#", "shared/#"], read: ["team-c/#", "shared/#"] };
  const body = { name: "team-c", scopes: ["send"], topics, expires_in_seconds: 7_776_000 };
  assert.deepEqual(fake.posts.slice(1), [
    `/v1/principals ${JSON.stringify(body)} application/json`,
    "/v1/principals/team-a {} application/json",
  ]);
  assertClean();
});

test("axe finds nothing serious on the pages of principals, and they fit a telephone", {
  timeout: 120_000,
}, async (t) => {
  const browser = await startBrowser(t);
  if (browser === null) return;
  const full = await startFakePublisher(t, { fleet: fakeFleet(1, 1), me: OPS, audit: AUDIT, principals: PRINCIPALS });
  const limited = await startFakePublisher(t, { fleet: fakeFleet(1, 1), messages: [MESSAGE], me: TEAM });
  const places = [
    `${full.url}/#/audit`,
    `${full.url}/#/tokens`,
    `${limited.url}/#/overview`,
    `${limited.url}/#/messages`,
  ];
  for (const look of LOOKS) {
    const { page } = await openPage(browser, full.url, { ...look, bypassCSP: true });
    for (const place of places) {
      for (const viewport of [
        { width: 1_280, height: 800 },
        { width: 400, height: 800 },
      ]) {
        await page.setViewportSize(viewport);
        await page.goto(place);
        await page.reload();
        await page.locator("[data-me]").waitFor();
        await page.locator("[data-action], [data-principal], [data-limited], [data-message]").first().waitFor();
        const about = `${place} ${look.locale} ${look.colorScheme} ${viewport.width}`;
        assert.deepEqual(await seriousFaults(page), [], about);
        const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
        assert.ok(Number(overflow) <= 0, `${about} is ${overflow} px too wide`);
      }
      await page.locator("[data-me]").click();
      await page.locator("dialog").waitFor();
      assert.deepEqual(await seriousFaults(page), [], `${place} who`);
      await page.keyboard.press("Escape");
    }
    await page.context().close();
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
