/**
 * The fault lab from the outside: a scenario against real processes, its verdict, its files; and what it says no to.
 *
 * Runs alone: the verdict of a run of faults has bounds of time.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { injectByProxy } from "@acktor/chaos/run/inject";
import type { ScenarioResult } from "@acktor/chaos/run/result";
import { runScenario } from "@acktor/chaos/run/run-scenario";
import { findScenario } from "@acktor/chaos/scenarios/catalog";
import type { Scenario } from "@acktor/chaos/scenarios/scenario";
import { mountSmallDisk, whyNoDisk } from "@acktor/chaos/world/small-disk";
import { cleanUp } from "../support/cleanup.ts";
import { ROOT, type Running, run } from "../support/processes.ts";

const MAIN = path.join(ROOT, "tools/chaos/dist/main.js");

const lab = (t: Parameters<typeof run>[0], ...args: string[]): Running => run(t, process.execPath, [MAIN, ...args]);

test("a scenario by the command: verdict, table, report, JUnit", { timeout: 90_000 }, async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-lab-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  const [html, xml] = [path.join(folder, "r.html"), path.join(folder, "r.xml")];
  const files = ["--report", html, "--junit", xml];
  const command = lab(t, "chaos", "run", "broker-killed", "--seed", "3", "--messages", "300", "--lang", "ja", ...files);
  const { code } = await command.exited;
  assert.equal(code, 0, command.output());
  assert.match(command.output(), /broker-killed.*│ 合格/);
  assert.match(await readFile(html, "utf8"), /kill broker/);
  assert.match(await readFile(xml, "utf8"), /tests="1" failures="0"/);
});

test("a fault without a target is not injected", { timeout: 60_000 }, async () => {
  const nobody: Scenario = {
    name: "nobody",
    title: { en: "", ja: "" },
    faults: [
      {
        atMs: 500,
        forMs: 300,
        fault: { do: "packets", lines: ["acker.mqtt"], faults: [{ topic: "no/such/topic", fate: "lose" }] },
      },
    ],
    shiftMs: 0,
    limits: { recoverMs: 10_000 },
  };
  const { signal } = new AbortController();
  const result = await runScenario(nobody, {
    seed: 1,
    messages: 100,
    inject: injectByProxy,
    signal,
    onProgress: () => undefined,
    world: { withoutNats: true },
  });
  assert.equal(result.outcome, "not injected", result.reasons.join("\n"));
  assert.ok(result.accepted > 0 && result.acknowledged === result.accepted);
});

const noDisk = whyNoDisk();

test("PostgreSQL out of disk: on a disk of the lab's own, and the host's mounts are as they were", {
  timeout: 90_000,
  ...(noDisk === null ? {} : { skip: `needs ${noDisk}` }),
}, async (t) => {
  const mounts = () => readFile("/proc/self/mounts", "utf8");
  const before = await mounts();
  const command = lab(t, "chaos", "run", "postgres-disk-full", "--messages", "400", "--json");
  const { code } = await command.exited;
  assert.equal(code, 0, command.output());
  const [line = ""] = command.output().match(/^\{.*$/m) ?? [];
  const { accepted, sent, lost, faults } = JSON.parse(line) as ScenarioResult;
  assert.ok(accepted < sent, "some were refused");
  assert.equal(lost, 0);
  assert.ok(faults[0]?.hits, "PostgreSQL said that its disk is full");
  assert.equal(await mounts(), before);
});

test("without a disk of its own the lab does not mount, and says that it cannot fill one", async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-lab-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  await assert.rejects(mountSmallDisk(folder), /would change the host's mounts: refused/);
  const { signal } = new AbortController();
  const scenario = findScenario("postgres-disk-full");
  assert.ok(scenario);
  const options = { seed: 1, messages: 20, inject: injectByProxy, signal, onProgress: () => undefined };
  const result = await runScenario(scenario, { ...options, world: { withoutNats: true } });
  assert.equal(result.outcome, "not possible");
});

test("list names every scenario; what is unknown ends with 2 and says what is known", async (t) => {
  const list = lab(t, "chaos", "list", "--json", "--seed", "5");
  assert.equal((await list.exited).code, 0);
  const scenarios = JSON.parse(list.output()) as { name: string }[];
  assert.ok(scenarios.length >= 25);
  const again = lab(t, "chaos", "list", "--json", "--seed", "5");
  await again.exited;
  assert.equal(again.output(), list.output());
  for (const args of [
    ["chaos", "run", "nothing"],
    ["chaos", "run", "cut", "--driver", "magic"],
    ["chaos", "run", "cut", "--seed", "x"],
    ["nothing"],
  ]) {
    const wrong = lab(t, ...args);
    assert.equal((await wrong.exited).code, 2, args.join(" "));
  }
});
