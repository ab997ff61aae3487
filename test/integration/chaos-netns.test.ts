/** The driver with real packet filters: it breaks its own network and nothing of the host's, also when it is killed. */
import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { changeNetwork, isInside, whyNot } from "@acktor/chaos/netns/own-namespace";
import { findProgram } from "@acktor/chaos/world/child";
import { runCommand } from "@acktor/embedded/run-command";
import { ROOT, type Running, run } from "../support/processes.ts";
import { until } from "../support/until.ts";

const missing = whyNot();
const options = missing === null ? {} : { skip: `needs ${missing}` };
/** Containers of others may come and go on this machine meanwhile. */
const MOST_TRIES = 3;

/** Packet filters and queues of the host, without the date and the counters. */
async function hostNetwork(): Promise<string> {
  const texts = await Promise.all(
    [
      ["iptables-save", []],
      ["tc", ["qdisc"]],
      ["ip", ["-o", "link"]],
    ].map(async ([name, args]) => {
      const file = findProgram(name as string);
      if (file === null) return "";
      const { output } = await runCommand({ file, args: args as string[], timeoutMs: 5_000 });
      return output;
    }),
  );
  return texts
    .join("\n")
    .replace(/^#.*$/gm, "")
    .replace(/\[\d+:\d+\]/g, "");
}

function startTrial(t: TestContext, ...args: string[]): Running {
  const trial = path.join(ROOT, "test/support/netns-trial.ts");
  const inside = [process.execPath, "--import", "tsx", "--conditions=source", trial, ...args];
  const unshare = ["--pdeathsig", "KILL", findProgram("unshare") ?? "", "--net", ...inside];
  const env = { LAB_HOST_NETNS: readlinkSync("/proc/self/ns/net") };
  return run(t, findProgram("setpriv") ?? "", unshare, { env });
}

/** Repeats the work until a try during which no other process changed the host's network. */
async function leavesTheHostAlone(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    const before = await hostNetwork();
    await work();
    const after = await hostNetwork();
    assert.doesNotMatch(after, /\blab(0|1|_\d+)\b/);
    if (after === before || tries === MOST_TRIES) {
      assert.equal(after, before);
      return;
    }
  }
}

test("PACKET_FILTER-1: packets are really lost, by count, and the host's network is unchanged", options, async (t) => {
  await leavesTheHostAlone(async () => {
    const trial = startTrial(t);
    const [, text = ""] = await trial.says(/saw (.*)/);
    const saw = JSON.parse(text) as Record<string, unknown>;
    assert.deepEqual([saw["clear"], saw["whileCut"], saw["healed"]], ["echo", "silence", "echo"]);
    assert.ok(Number(saw["cutHits"]) > 0, `${saw["cutHits"]} packets were dropped by the cut`);
    assert.ok(Number(saw["lossHits"]) > 0, `${saw["lossHits"]} packets were lost`);
    assert.equal(saw["oneLine"], null, "the cable cannot be cut for one line alone");
    assert.deepEqual([saw["databaseWhileCut"], saw["cableMeanwhile"]], ["silence", "echo"]);
    assert.ok(Number(saw["databaseHits"]) > 0, `${saw["databaseHits"]} packets of one line on loopback were dropped`);
    await trial.exited;
  });
});

test("NAMESPACE-2: killed by SIGKILL, the lab leaves nothing behind on the host", options, async (t) => {
  await leavesTheHostAlone(async () => {
    const trial = startTrial(t, "stay");
    await trial.says(/saw /);
    await trial.kill();
    await until(async () => !(await hostNetwork()).includes("lab0"), 5_000, "the cable to be gone");
  });
});

test("NAMESPACE-1: outside of its namespace the lab refuses every change", async () => {
  assert.equal(isInside(), false);
  for (const name of ["ip", "iptables", "nsenter"] as const) {
    await assert.rejects(changeNetwork(name, ["--help"]), /would change the host's network: refused/);
  }
});
