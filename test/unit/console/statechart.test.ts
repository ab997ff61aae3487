/** The console's charts as the browser shows them: what is lit, what was taken, what can be chosen, what is left. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunningDelay, StateValue } from "@acktor/shared/inspect/wire";
import { h } from "preact";
import { CHARTS } from "../../../services/publisher/console/src/chart/charts.ts";
import type { Chart } from "../../../services/publisher/console/src/chart/layout.ts";
import { MiniChart } from "../../../services/publisher/console/src/chart/mini-chart.tsx";
import { Outline } from "../../../services/publisher/console/src/chart/outline.tsx";
import { type Selected, Statechart } from "../../../services/publisher/console/src/chart/statechart.tsx";
import { ENGLISH, JAPANESE } from "../../../services/publisher/console/src/chart/words.ts";
import { show } from "../../support/dom.ts";
import { until } from "../../support/until.ts";

const VALUE: StateValue = { connection: "RECONNECTING", breaker: "OPEN" };
const ACTIVE = ["link.breaker", "link.breaker.OPEN", "link.connection", "link.connection.RECONNECTING"];
const LOST = "link.connection.CONNECTED#session.ended#2";
const BACKOFF: RunningDelay = {
  state: "link.connection.RECONNECTING",
  delay: "backoff",
  startedAt: 10_000,
  endsAt: 18_000,
};

const chart = (id: string): Chart => {
  const found = CHARTS[id];
  assert.ok(found !== undefined);
  return found;
};
const link = chart("link");
const snapshot = { value: VALUE, delays: [BACKOFF] };
const clock = { at: 10_000 };
const now = (): number => clock.at;

test("STATECHART-1: each state is drawn once, and only the active ones are current", (t) => {
  const page = show(t, h(Statechart, { ...link, snapshot, now }));
  const ids = page.all("[data-state-id]").map((element) => element.getAttribute("data-state-id"));
  assert.deepEqual(
    ids.toSorted(),
    link.definition.states
      .slice(1)
      .map(({ id }) => id)
      .toSorted(),
  );
  const lit = page.all('[aria-current="true"]').map((element) => element.getAttribute("data-state-id"));
  assert.deepEqual(lit.toSorted(), ACTIVE);
});

test("STATECHART-1: each transition is drawn once, with guard and actions; the last one is marked, and its line", (t) => {
  const page = show(t, h(Statechart, { ...link, snapshot, now, last: [LOST] }));
  const ids = page.all("[data-edge-id]").map((element) => element.getAttribute("data-edge-id"));
  assert.deepEqual(ids.toSorted(), link.definition.edges.map(({ id }) => id).toSorted());
  const last = page.all('[data-last="true"]');
  assert.deepEqual(
    last.map((element) => element.getAttribute("data-edge-id")),
    [LOST],
  );
  assert.equal(page.all(".chart-taken").length, 1);
  page.show(h(Statechart, { ...link, snapshot, now, last: [] }));
  assert.equal(page.all('[data-last="true"], .chart-taken').length, 0);
  const trip = page.all('[data-edge-id="link.breaker.CLOSED#connect.failed#0"]')[0];
  for (const part of ["connect.failed", "[tooManyConnectsFailed]", "/ planOpening"]) {
    assert.ok(trip?.textContent.includes(part), part);
  }
});

test("the lines from active states are highlighted", (t) => {
  const page = show(t, h(Statechart, { ...link, snapshot, now }));
  // RECONNECTING → CONNECTING and DISCONNECTED, OPEN → HALF_OPEN.
  assert.equal(page.all(".chart-open").length, 3);
});

test("LABEL-1: a text that is cut in the picture is complete in its title", (t) => {
  const page = show(t, h(Statechart, { ...link, snapshot, now }));
  const title = page.all(`[data-edge-id="${LOST}"] > title`)[0];
  assert.equal(title?.textContent, "session.ended / noteLoss, announceLoss, announceFailure");
  const lines = page.all(`[data-edge-id="${LOST}"] > text`).map(({ textContent }) => textContent);
  assert.deepEqual(lines, ["session.ended", "/ noteLoss, +2"]);
});

test("a transition that enters its state again differs from one that stays", (t) => {
  const page = show(t, h(Statechart, { ...chart("dispatcher"), snapshot: null }));
  const inside = page.all(".chart-staying .chart-event").map(({ textContent }) => textContent);
  assert.deepEqual(inside, ["outbox.woken", "↻ claim done", "↻ claim done [wasWoken]"]);
});

test("a machine that does not run has no active state, and its text alternative says that", (t) => {
  const page = show(t, h(Statechart, { ...link, snapshot: null }));
  assert.equal(page.all("[aria-current]").length, 0);
  assert.equal(page.all("svg")[0]?.getAttribute("aria-label"), "Statechart of link; active: not running");
});

test("STATECHART-2: the chart is one image whose text alternative has the active states, in both languages", (t) => {
  const page = show(t, h(Statechart, { ...link, snapshot, now }));
  const label = (): string | null | undefined => page.all('svg[role="img"]')[0]?.getAttribute("aria-label");
  assert.equal(label(), "Statechart of link; active: connection.RECONNECTING, breaker.OPEN");
  page.show(h(Statechart, { ...link, snapshot, now, words: JAPANESE }));
  assert.match(label() ?? "", /^link の状態遷移図.*connection\.RECONNECTING/);
});

test("a running delay counts down by the given clock, to zero", async (t) => {
  clock.at = 12_000;
  const page = show(t, h(Statechart, { ...link, snapshot, now }));
  const seconds = (): string => page.all(".chart-countdown text")[0]?.textContent ?? "none";
  const width = (): number => Number(page.all(".chart-countdown rect")[0]?.getAttribute("width"));
  assert.equal(seconds(), "6.0 s");
  const before = width();
  clock.at = 16_000;
  await until(() => seconds() === "2.0 s", 2_000, "the countdown's next look");
  assert.ok(Math.abs(width() - before / 3) < 1, `${width()} of ${before}`);
  clock.at = 30_000;
  await until(() => seconds() === "0.0 s" && width() === 0, 2_000, "the countdown's end");
  page.show(h(Statechart, { ...link, snapshot: { value: VALUE, delays: [] }, now }));
  assert.equal(seconds(), "none");
});

test("a delay of a state that was left is not shown", (t) => {
  const value = { connection: "CONNECTING", breaker: "OPEN" };
  const page = show(t, h(Statechart, { ...link, snapshot: { value, delays: [BACKOFF] }, now }));
  assert.equal(page.all(".chart-countdown").length, 0);
});

test("a badge shows the number of instances in a state", (t) => {
  const counts = { "link.connection.CONNECTED": 3, "link.connection.ERROR": 0 };
  const page = show(t, h(Statechart, { ...link, snapshot, now, counts }));
  assert.deepEqual(
    page.all("[data-count]").map((element) => element.getAttribute("data-count")),
    ["3"],
  );
});

test("a click selects a state or a transition", (t) => {
  const chosen: Selected[] = [];
  const onSelect = (selected: Selected): void => void chosen.push(selected);
  const page = show(t, h(Statechart, { ...link, snapshot, now, onSelect }));
  page.all('[data-state-id="link.breaker.OPEN"] .chart-title')[0]?.click();
  page.all(`[data-edge-id="${LOST}"] text`)[0]?.click();
  const expected: Selected[] = [
    { kind: "state", id: "link.breaker.OPEN" },
    { kind: "edge", id: LOST },
  ];
  assert.deepEqual(chosen, expected);
  page.show(h(Statechart, { ...link, snapshot, now, onSelect, selected: { kind: "edge", id: LOST } }));
  const marked = page.all('[data-selected="true"]').map((element) => element.getAttribute("data-edge-id"));
  assert.deepEqual(marked, [LOST]);
});

test("OUTLINE-1: the outline has everything in words: nesting, active states, last transitions, remaining delays", (t) => {
  clock.at = 15_000;
  const page = show(t, h(Outline, { ...link, snapshot, now, last: [LOST] }));
  const active = page.all('[aria-current="true"]').map((element) => element.getAttribute("data-outline-state"));
  assert.deepEqual(active.toSorted(), ACTIVE);
  assert.equal(page.all(".outline > li").length, 2);
  assert.equal(page.all(".outline > li > ul > li > [data-outline-state]").length, 8);
  const last = page.all('[data-last="true"]');
  assert.deepEqual(
    last.map(({ textContent }) => textContent),
    ["session.ended / noteLoss, announceLoss, announceFailure → RECONNECTING"],
  );
  const text = page.all(".outline")[0]?.textContent ?? "";
  for (const words of ["just taken", "backoff: 3.0 s left", "after held / noteHeld → stays", "entered first"]) {
    assert.ok(text.includes(words), words);
  }
  assert.equal(page.all("button").length, 0);
});

test("OUTLINE-2: every choice of the outline is a button", (t) => {
  const chosen: Selected[] = [];
  const selected: Selected = { kind: "state", id: "link.breaker" };
  const onSelect = (one: Selected): void => void chosen.push(one);
  const page = show(t, h(Outline, { ...link, snapshot, now, selected, onSelect }));
  const { states, edges } = link.definition;
  assert.equal(page.all('button[type="button"]').length, states.length - 1 + edges.length);
  const pressed = page.all('[aria-pressed="true"]').map((element) => element.getAttribute("data-outline-state"));
  assert.deepEqual(pressed, ["link.breaker"]);
  page.all(`[data-outline-edge="${LOST}"]`)[0]?.click();
  assert.deepEqual(chosen, [{ kind: "edge", id: LOST }]);
});

test("a machine's own transitions are outlined as those of any state", (t) => {
  const page = show(t, h(Outline, { ...chart("dispatcher"), snapshot: null }));
  assert.match(page.all(".outline > li")[0]?.textContent ?? "", /^any state.*gates\.closed → IDLE$/);
});

test("the small chart lights the same states, without words on its lines", (t) => {
  const page = show(t, h(MiniChart, { layout: link.mini, definition: link.definition, value: VALUE }));
  const lit = page.all('[aria-current="true"]').map((element) => element.getAttribute("data-mini-state"));
  assert.deepEqual(lit.toSorted(), ACTIVE);
  assert.deepEqual(
    page
      .all("text")
      .map(({ textContent }) => textContent)
      .toSorted(),
    link.definition.states
      .slice(1)
      .map(({ key }) => key)
      .toSorted(),
  );
});

test("both languages have words for everything", () => {
  assert.deepEqual(Object.keys(JAPANESE).toSorted(), Object.keys(ENGLISH).toSorted());
  const same = Object.entries(ENGLISH).filter(([key, text]) =>
    Object.entries(JAPANESE).some(([k, t]) => k === key && t === text),
  );
  assert.deepEqual(same, []);
});
