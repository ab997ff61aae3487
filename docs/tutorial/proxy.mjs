/**
 * A TCP proxy for the exercises, between acktor and a broker. It reads the faults from standard input.
 *
 *   node docs/tutorial/proxy.mjs 1885 1884     listens on 1885, connects to 1884
 *
 *   cut         close every connection and refuse new ones     half        keep them open, pass no data on
 *   delay 500   hold everything back for 500 ms                heal        everything as it should be
 *
 * One line may have several commands, with pauses in seconds between them: `cut 5 heal`.
 */
import net from "node:net";
import { createInterface } from "node:readline";

const [listenPort, brokerPort] = process.argv.slice(2).map(Number);
if (!listenPort || !brokerPort) {
  process.stderr.write("usage: node docs/tutorial/proxy.mjs <port to listen on> <port of the broker>\n");
  process.exit(2);
}

const connections = new Set();
let fault = { refuse: false, mute: false, delayMs: 0 };

/** Passes on what comes, as late as the fault says; order is kept, because equal delays keep it. */
function forward(from, to) {
  from.on("data", (chunk) => {
    if (fault.mute) return;
    if (fault.delayMs === 0) to.write(chunk);
    else setTimeout(() => to.writable && to.write(chunk), fault.delayMs);
  });
  from.on("close", () => to.destroy());
  from.on("error", () => to.destroy());
}

const server = net.createServer({ noDelay: true }, (client) => {
  if (fault.refuse) {
    client.destroy();
    return;
  }
  const broker = net.connect({ host: "127.0.0.1", port: brokerPort, noDelay: true });
  connections.add(client);
  client.on("close", () => connections.delete(client));
  forward(client, broker);
  forward(broker, client);
});

function obey(command, argument) {
  fault = {
    refuse: command === "cut",
    mute: command === "half",
    delayMs: command === "delay" ? Number(argument) || 0 : 0,
  };
  if (command === "cut") for (const client of connections) client.destroy();
  process.stdout.write(`${new Date().toISOString()} ${command}${command === "delay" ? ` ${fault.delayMs} ms` : ""}\n`);
}

async function run(line) {
  const words = line.trim().split(/\s+/);
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (/^\d+(\.\d+)?$/.test(word)) await new Promise((resolve) => setTimeout(resolve, Number(word) * 1_000));
    else if (["cut", "half", "heal"].includes(word)) obey(word);
    else if (word === "delay") obey(word, words.shift());
    else if (word !== "") process.stdout.write(`unknown: ${word}. Use cut, half, delay <ms>, heal, or seconds.\n`);
  }
}

server.listen(listenPort, "127.0.0.1", async () => {
  process.stdout.write(
    `127.0.0.1:${listenPort} → 127.0.0.1:${brokerPort}. cut, half, delay <ms>, heal; Ctrl-D ends.\n`,
  );
  for await (const line of createInterface({ input: process.stdin })) await run(line);
  server.close();
  for (const client of connections) client.destroy();
});
