/** Runs operator commands that every service has. A state that does not allow a command answers 409; nothing is forced. */
import type { EventObject } from "xstate";
import type { CommandResult, Link } from "../link/link.ts";
import type { Supervisor } from "../runtime/supervisor.ts";
import type { Command, Json } from "./wire.ts";

/** The events that the commands send; the same ones compute `can`. */
export const LINK_COMMANDS = {
  connect: { type: "link.connect" },
  disconnect: { type: "link.disconnect" },
  reset: { type: "link.reset" },
  "breaker.open": { type: "breaker.open" },
  "breaker.close": { type: "breaker.close" },
} as const satisfies Partial<Record<Command, EventObject>>;

export const SERVICE_COMMANDS = {
  pause: { type: "supervisor.pause" },
  resume: { type: "supervisor.resume" },
  drain: { type: "supervisor.stop" },
} as const satisfies Partial<Record<Command, EventObject>>;

export type CommandOutcome =
  | {
      readonly ok: true;
      readonly result: Json;
      readonly messages?: number;
      /** Stopped once the command is recorded and answered. */
      readonly stops?: Pick<Supervisor, "stop">;
    }
  | { readonly ok: false; readonly code: 400 | 409 | 503; readonly reason: string };

export interface Commanded {
  readonly link: Link;
  readonly supervisor: Supervisor | null;
}

/** @returns null for a command that only publishers have */
export async function runCommand(command: Command, on: Commanded): Promise<CommandOutcome | null> {
  const { link } = on;
  switch (command) {
    case "connect":
      return ofLink(await link.connect(), link);
    case "disconnect":
      return ofLink(await link.disconnect(), link);
    case "reset":
      return ofLink(link.reset(), link);
    case "breaker.open":
      return ofLink(link.openBreaker(), link);
    case "breaker.close":
      return ofLink(link.closeBreaker(), link);
    case "pause":
    case "resume":
    case "drain":
      return ofService(command, on.supervisor);
    case "replay":
      return null;
  }
}

function ofLink(result: CommandResult, link: Link): CommandOutcome {
  if (!result.ok) return { ok: false, code: 409, reason: result.reason };
  const { state, breaker } = link.info();
  return { ok: true, result: { state, breaker } };
}

function ofService(command: keyof typeof SERVICE_COMMANDS, supervisor: Supervisor | null): CommandOutcome {
  const state = supervisor?.state() ?? "STARTING";
  if (supervisor === null || !supervisor.actor.getSnapshot().can(SERVICE_COMMANDS[command])) {
    return { ok: false, code: 409, reason: `${command} is not possible: the service is ${state}` };
  }
  if (command === "drain") return { ok: true, result: { state: "DRAINING" }, stops: supervisor };
  if (command === "pause") supervisor.pause();
  else supervisor.resume();
  return { ok: true, result: { state: supervisor.state() } };
}
