/** A view that throws: the rest of the page still works. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { h } from "preact";
import { ViewGuard } from "../../../services/publisher/console/src/parts/view-guard.tsx";
import { show } from "../../support/dom.ts";

const WORDS = { title: "failed", text: "the rest works", again: "again" };
const drawn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test("VIEW_GUARD-1: a view that throws shows its error until the user tries again or opens another view", async (t) => {
  const reported: unknown[] = [];
  Object.assign(globalThis, { reportError: (error: unknown) => reported.push(error) });
  let broken = true;
  const View = ({ name }: { readonly name: string }) => {
    if (broken) throw new Error("no such colour");
    return h("p", { class: "view" }, name);
  };
  const guarded = (view: string) => h(ViewGuard, { view, words: WORDS, children: h(View, { name: view }) });
  const page = show(t, guarded("log"));
  await drawn();
  assert.match(page.all('[role="alert"]')[0]?.textContent ?? "", /no such colour/);
  assert.equal(page.all(".view").length, 0);
  assert.equal(reported.length, 1, "the browser's log has it");

  page.all("button")[0]?.click();
  await drawn();
  assert.equal(page.all('[role="alert"]').length, 1, "still broken, still shown");

  page.show(guarded("machines"));
  await drawn();
  assert.equal(page.all('[role="alert"]').length, 1);

  broken = false;
  page.show(guarded("messages"));
  await drawn();
  assert.equal(page.all(".view")[0]?.textContent, "messages");
  assert.equal(page.all('[role="alert"]').length, 0);
});
