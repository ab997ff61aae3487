/** The doctor's check of NATS, against a server that says each of the protocol's lines. */
import assert from "node:assert/strict";
import net, { type AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { checkNats } from "@acktor/cli/doctor/check-nats";
import { Session } from "@acktor/cli/session";
import { StreamTerminal } from "@acktor/cli/terminal/terminal";
import { english } from "@acktor/cli/texts/english";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";

function session(): Session {
  const silent = { write: () => undefined };
  const terminal = new StreamTerminal({ stdin: {}, stdout: silent, stderr: silent }, {}, false);
  const { signal } = new AbortController();
  const common = { texts: english, env: {}, json: false, address: {}, clock: SYSTEM_CLOCK };
  return new Session({ ...common, terminal, signal, process: { handOver: () => undefined } });
}

/** @param answer to CONNECT and PING; null: the server closes the connection instead of greeting */
async function natsUrl(t: TestContext, greeting: string | null, answer = ""): Promise<string> {
  const server = net.createServer((socket) => {
    socket.on("error", () => socket.destroy());
    if (greeting === null) return socket.destroy();
    // In two pieces: a line may be cut anywhere.
    socket.write(greeting.slice(0, 5));
    setTimeout(() => socket.write(`${greeting.slice(5)}\r\n`), 20);
    socket.on("data", (bytes) => {
      const text = bytes.toString();
      assert.match(text, /^CONNECT \{.*"user":"me","pass":"secret".*\}\r\nPING\r\n$/);
      socket.end(`${answer}\r\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `nats://me:secret@127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("NATS: greeting, login and PONG; a refused login; a server of another protocol; no server", async (t) => {
  const info = 'INFO {"version":"2.12.0"}';
  const well = await checkNats(session(), await natsUrl(t, info, "PONG"), null);
  assert.deepEqual([well.verdict, well.data["version"]], ["OK", "2.12.0"]);
  const closed = await checkNats(session(), await natsUrl(t, info, "-ERR 'Authorization Violation'"), null);
  assert.deepEqual([closed.verdict, closed.fix], ["FAIL", english.doctor.natsLoginFix]);
  const foreign = await checkNats(session(), await natsUrl(t, null), null);
  assert.deepEqual([foreign.verdict, foreign.found], ["FAIL", "it is not a NATS server"]);
  const away = await checkNats(session(), "nats://127.0.0.1:1", null);
  assert.deepEqual([away.verdict, away.found, away.fix], ["FAIL", "ECONNREFUSED", english.doctor.natsFix]);
});
