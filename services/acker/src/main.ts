/** `npm run start:acker`: the acker as its own process, configured by the environment. */
import { runService } from "@acktor/shared/runtime/main";
import { startAcker } from "./app.ts";

await runService("acker", () => startAcker(process.env));
