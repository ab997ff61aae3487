/** The embedded broker as a process of its own: `aedes-process.ts <port>`. Ends on SIGTERM. */
import { startBroker } from "@acktor/embedded/broker";
import { describeFailure } from "@acktor/embedded/failure";

const started = await startBroker({ port: Number(process.argv[2]), narrator: { say: (line) => console.error(line) } });
if (started.ok) {
  process.once("SIGTERM", () => void started.value.stop().then(() => process.exit(0)));
} else {
  console.error(describeFailure(started.failure));
  process.exitCode = 1;
}
