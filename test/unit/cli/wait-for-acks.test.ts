/** Waiting for many messages: few requests, a bound, and no delay by stuck messages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Api } from "@acktor/cli/api/api";
import { waitForAcks } from "@acktor/cli/commands/wait-for-acks";
import { EXIT } from "@acktor/cli/exit";
import { Session } from "@acktor/cli/session";
import { Progress } from "@acktor/cli/terminal/progress";
import { StreamTerminal } from "@acktor/cli/terminal/terminal";
import { english } from "@acktor/cli/texts/english";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";

function rig(stateOf: (id: string, asked: number) => string | null | number) {
  const silent = { write: () => undefined };
  const terminal = new StreamTerminal({ stdin: {}, stdout: silent, stderr: silent }, {}, false);
  const signal = new AbortController().signal;
  const process = { handOver: (): void => undefined };
  const common = { texts: english, env: {}, json: false, address: {}, clock: SYSTEM_CLOCK };
  const session = new Session({ ...common, terminal, signal, process });
  let asked = 0;
  const post = async (_path: string, { message_ids: ids }: { message_ids: readonly string[] }): Promise<unknown> => {
    asked++;
    assert.ok(ids.length <= 1_000);
    const states = ids.map((id) => stateOf(id, asked));
    const status = states.find((state) => typeof state === "number");
    if (status === undefined) return { ok: true, value: { states } };
    const exit = status === 401 ? EXIT.usage : EXIT.away;
    return {
      ok: false,
      status,
      retryAfterSeconds: null,
      failure: { exit, code: String(status), message: "", fix: "" },
    };
  };
  const api = { post } as unknown as Api;
  const wait = (count: number, timeoutMs: number) => {
    const ids = Array.from({ length: count }, (_, at) => String(at));
    return waitForAcks(session, api, ids, timeoutMs, new Progress(terminal, count, SYSTEM_CLOCK));
  };
  return { wait, asked: () => asked };
}

test("WAIT-2: a thousand stuck messages do not hide the others", async () => {
  const { wait } = rig((id) => (Number(id) < 1_000 ? "sent" : id === "1500" ? "failed" : "acknowledged"));
  const ends = await wait(3_000, 500);
  assert.ok(ends.ok);
  assert.deepEqual(
    { ...ends.value, seconds: 0 },
    { acknowledged: 1_999, failed: 1, expired: 0, open: 1_000, seconds: 0 },
  );
  assert.ok(ends.value.seconds >= 0.5);
});

test("WAIT-2: acknowledged messages cost one request per thousand", async () => {
  const { wait, asked } = rig(() => "acknowledged");
  const ends = await wait(10_000, 5_000);
  assert.ok(ends.ok && ends.value.open === 0);
  assert.equal(asked(), 10);
});

test("WAIT-1: the wait survives a short outage of the service, but not a wrong token", async () => {
  const back = await rig((_, asked) => (asked < 3 ? 503 : "expired")).wait(1, 5_000);
  assert.ok(back.ok && back.value.expired === 1);
  const closed = await rig(() => 401).wait(1, 5_000);
  assert.ok(!closed.ok && closed.failure.code === "401");
});

test("WAIT-1: a message that is not in the outbox stays open until the timeout", async () => {
  const ends = await rig(() => null).wait(1, 50);
  assert.ok(ends.ok && ends.value.open === 1);
});
