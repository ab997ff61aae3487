/** Commands to services, by their routes. */
import type { Command } from "./wire.ts";

export const COMMAND_ROUTES: Readonly<Record<string, Command>> = {
  "/v1/link/connect": "connect",
  "/v1/link/disconnect": "disconnect",
  "/v1/link/reset": "reset",
  "/v1/breaker/open": "breaker.open",
  "/v1/breaker/close": "breaker.close",
  "/v1/control/pause": "pause",
  "/v1/control/resume": "resume",
  "/v1/control/drain": "drain",
};
