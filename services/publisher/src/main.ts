/** `npm run start:publisher`: the publisher as a process of its own, configured by the environment. */
import { runService } from "@acktor/shared/runtime/main";
import { startPublisher } from "./app.ts";

await runService("publisher", () => startPublisher(process.env));
