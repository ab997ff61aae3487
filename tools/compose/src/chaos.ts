/**
 * The service `chaos` of the profile `chaos`. With `MQTT_HOST=chaos` the services reach the broker through it.
 * `docker compose exec chaos fault` breaks the line (fault.ts).
 *
 *   node chaos.js --broker HOST:PORT
 */

import { parseArgs } from "node:util";
import { standardOutput } from "@acktor/shared/runtime/terminal-door";
import { startFaultProxy } from "./fault-proxy.ts";

const { values } = parseArgs({ options: { broker: { type: "string", default: "mosquitto:8883" } } });
const [host = "", port = ""] = values.broker.split(":");
const proxy = await startFaultProxy({
  broker: { host, port: Number(port) },
  listen: { host: "0.0.0.0", port: Number(port) },
  controlPort: Number(process.env["HTTP_PORT"] || 8080),
});
for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => void proxy.stop());
standardOutput.write(`acktor chaos: a line to ${values.broker}; docker compose exec chaos fault list\n`);
