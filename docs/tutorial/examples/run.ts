/**
 * `npm run example -- <name>`: one example on a PostgreSQL, a broker and a publisher of its own, gone afterwards.
 *
 * Names: orders, commands, sleeping-device, robust-client, policies.
 */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { startBroker } from "@acktor/embedded/broker";
import { startPostgres } from "@acktor/embedded/postgres";
import { SILENT } from "@acktor/embedded/progress";
import { startPublisher } from "@acktor/publisher/app";
import * as commands from "./commands.ts";
import * as orders from "./orders.ts";
import * as policies from "./policies.ts";
import * as robustClient from "./robust-client.ts";
import * as sleepingDevice from "./sleeping-device.ts";
import type { World } from "./world.ts";

const EXAMPLES: Readonly<Record<string, (world: World) => Promise<void>>> = {
  orders: orders.run,
  commands: commands.run,
  "sleeping-device": sleepingDevice.run,
  "robust-client": robustClient.run,
  policies: policies.run,
};

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(name: string): Promise<void> {
  const example = EXAMPLES[name];
  if (example === undefined) throw new Error(`name one of: ${Object.keys(EXAMPLES).join(", ")}`);
  const dataDir = await mkdtemp(path.join(os.tmpdir(), "acktor-example-"));
  const undo: (() => Promise<unknown>)[] = [() => rm(dataDir, { recursive: true, force: true })];
  try {
    const postgres = await startPostgres({ dataDir, narrator: SILENT, signal: new AbortController().signal });
    if (!postgres.ok) throw new Error(postgres.failure.message);
    undo.push(() => postgres.value.stop());
    const broker = await startBroker({ narrator: SILENT });
    if (!broker.ok) throw new Error(broker.failure.message);
    undo.push(() => broker.value.stop());
    const servers = { DATABASE_URL: postgres.value.url, MQTT_URL: broker.value.url };
    const publisher = await startPublisher({ ...servers, HTTP_PORT: "0", LOG_LEVEL: "warn" });
    if (!publisher.ok) throw new Error(publisher.faults.join("\n"));
    undo.push(() => publisher.stop());
    await publisher.started;
    await example({ databaseUrl: servers.DATABASE_URL, mqttUrl: servers.MQTT_URL, publisherUrl: publisher.url, say });
  } finally {
    for (const stop of undo.reverse()) await stop();
  }
}

await main(process.argv[2] ?? "").catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
