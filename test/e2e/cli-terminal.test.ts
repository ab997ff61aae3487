/** The command as a program among others: Ctrl-C, pipes, a terminal, and how fast it starts. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { AEDES, TEST_LIMIT_MS } from "../support/brokers.ts";
import { runCli, startCli } from "../support/cli.ts";
import { anyTopic, setStage } from "../support/pair.ts";
import { environment, ROOT, run } from "../support/processes.ts";
import { until } from "../support/until.ts";

const options = { timeout: TEST_LIMIT_MS };
const PROGRAM = path.join(ROOT, "tools/cli/acktor.mjs");

test("Ctrl-C while it waits: 130, and what was sent stays sent", options, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher();
  const topic = anyTopic();
  const sending = startCli(t, ["send", topic, "x", "--wait", "acked", "--timeout", "60s"], {
    env: { ACKTOR_URL: publisher.url },
  });
  const isThere = async (): Promise<boolean> =>
    (await stage.sql("select 1 from publisher.message_delivery where topic = $1", [topic])).length === 1;
  await until(isThere, 20_000, "the message to be accepted");
  sending.child.kill("SIGINT");
  assert.equal((await sending.ended).exit, 130);
});

test("a reader that closes the pipe ends the command without a message", options, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher();
  const script = `"${process.execPath}" "${PROGRAM}" status --watch --interval 50ms | head -n 1; echo "\${PIPESTATUS[0]}"`;
  const reader = run(t, "bash", ["-c", script], { env: { ACKTOR_URL: publisher.url, LANG: "C" } });
  assert.equal((await reader.exited).code, 0);
  assert.match(reader.output(), /^Connection\n0\n$/);
});

const SCRIPT = "/usr/bin/script";
const noTerminal =
  existsSync(SCRIPT) && process.platform === "linux" ? {} : { skip: "script (util-linux) is not installed" };

test("CONFIRM-1: on a terminal it asks, shows colours, and accepts a no", { ...options, ...noTerminal }, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher();
  const env = { ACKTOR_URL: publisher.url, TERM: "xterm", LANG: "C" };
  await runCli(t, ["send", anyTopic(), "x", "--ttl", "1s", "--wait", "acked"], { env });
  const ask = async (answer: string): Promise<string> => {
    const command = `printf '${answer}\\n' | ${SCRIPT} -qec '"${process.execPath}" "${PROGRAM}" dead-letters discard' /dev/null`;
    const terminal = run(t, "bash", ["-c", command], { env });
    await terminal.exited;
    return terminal.output();
  };
  assert.match(await ask("n"), /Discard 1 messages\? \[y\/N\].*nothing was changed/s);
  assert.equal((await stage.sql("select 1 from publisher.message_delivery where discarded_at is not null")).length, 0);
  assert.match(await ask("yes"), /discarded 1 messages/);
  assert.equal((await stage.sql("select 1 from publisher.message_delivery where discarded_at is not null")).length, 1);
  const status = run(t, SCRIPT, ["-qec", `"${process.execPath}" "${PROGRAM}" status`, "/dev/null"], { env });
  await status.exited;
  assert.ok(status.output().includes("\u001b[32mCONNECTED\u001b[39m"));
});

test("it starts in a quarter of a second beyond what Node itself takes", options, (t) => {
  const commands = [
    ["-e", "0"],
    [PROGRAM, "--version"],
    [PROGRAM, "--help"],
  ];
  const rounds = Array.from({ length: 9 }, () => commands.map(elapsedMs));
  const [bare = 0, ...ours] = commands.map((_, at) => median(rounds.map((round) => round[at] ?? Number.NaN)));
  t.diagnostic(`node ${bare.toFixed(0)} ms, --version ${ours[0]?.toFixed(0)} ms, --help ${ours[1]?.toFixed(0)} ms`);
  // Node takes 30 ms where nothing else runs. Where it takes far longer the machine is busy, and so are we.
  const limit = Math.max(250, 6 * bare);
  for (const ms of ours) assert.ok(ms - bare < limit, `${ms} ms, Node alone ${bare} ms`);
});

function elapsedMs(args: readonly string[]): number {
  const begin = performance.now();
  execFileSync(process.execPath, args, { env: environment(), stdio: "ignore" });
  return performance.now() - begin;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
