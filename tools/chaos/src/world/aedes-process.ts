/** The embedded broker as a separate process, so that the lab can kill it: `node aedes-process.js <port>`. */

import { startBroker } from "@acktor/embedded/broker";
import { standardError } from "@acktor/shared/runtime/terminal-door";

const started = await startBroker({ port: Number(process.argv[2]), narrator: standardError });
if (!started.ok) {
  standardError.say(started.failure.message);
  process.exit(1);
}
for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.once(name, () => void started.value.stop().then(() => process.exit(0)));
}
