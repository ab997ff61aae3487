/** The routes of an operator's commands. */
import type { Command } from "@acktor/shared/inspect/wire";
import type { Answer } from "./answer.ts";
import { post } from "./client.ts";

const ROUTES: Readonly<Record<Command, string>> = {
  connect: "/v1/link/connect",
  disconnect: "/v1/link/disconnect",
  reset: "/v1/link/reset",
  "breaker.open": "/v1/breaker/open",
  "breaker.close": "/v1/breaker/close",
  pause: "/v1/control/pause",
  resume: "/v1/control/resume",
  drain: "/v1/control/drain",
  replay: "/v1/dead-letters/replay",
};

/** Commands that interrupt work; their buttons are marked as dangerous. */
export const GRAVE: ReadonlySet<Command> = new Set<Command>(["disconnect", "breaker.open", "pause", "drain"]);

export function sendCommand(command: Command, service: string, instance: string): Promise<Answer<unknown>> {
  return post(`${ROUTES[command]}?${new URLSearchParams({ service, instance })}`);
}
