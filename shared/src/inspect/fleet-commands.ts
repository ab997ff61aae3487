/**
 * Sends commands to any instance: to its own without the bus, to another one by request and reply, or to all of a service.
 *
 * Invariants:
 *  COMMANDS-1. Where the bus has a key, a positive answer counts only with a seal. An answer without a seal counts only as a
 *     refusal (401): that of an instance with another key.
 */
import type { Bus } from "../bus/bus.ts";
import type { ServiceName, Subjects } from "../protocol/subjects.ts";
import type { AskedCommand, CommandDesk } from "./command-desk.ts";
import { type CommandReply, type CommandRequest, WIRE_VERSION } from "./wire.ts";
import { commandReply, LIMITS, readText } from "./wire-schemas.ts";

export interface FleetCommandsOptions {
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly desk: CommandDesk;
  readonly service: ServiceName;
  readonly instance: string;
  readonly boot: string;
  readonly fleet: InstanceCount;
}

export interface InstanceCount {
  /** How many other instances of a service are known. */
  count(service: ServiceName): number;
}

export interface CommandTarget {
  readonly service: ServiceName;
  /** Null: all of the service. */
  readonly instance: string | null;
}

const ANSWER_MS = 5_000;
const ALL_ANSWER_MS = 2_000;

export class FleetCommands {
  readonly #options: FleetCommandsOptions;

  constructor(options: FleetCommandsOptions) {
    this.#options = options;
  }

  /** The answers that came in time; empty when no instance answered. */
  async send(target: CommandTarget, asked: AskedCommand): Promise<CommandReply[]> {
    const { service, instance, desk } = this.#options;
    if (target.instance !== null) {
      const isOwn = target.service === service && target.instance === instance;
      return isOwn ? [await desk.run(asked)] : this.#toOne(target.service, target.instance, asked);
    }
    const own = target.service === service ? [desk.run(asked)] : [];
    const [others, ...ours] = await Promise.all([this.#toAll(target.service, asked), ...own]);
    return [...ours, ...others];
  }

  async #toOne(service: ServiceName, instance: string, asked: AskedCommand): Promise<CommandReply[]> {
    const { bus, subjects } = this.#options;
    const subject = subjects.command(service, instance, asked.command);
    const reply = await bus.request(subject, this.#request(asked), ANSWER_MS);
    if (reply.ok) return readReplies([reply.text]);
    // COMMANDS-1
    return reply.kind === "unproven" ? readReplies([reply.text]).filter(({ ok, code }) => !ok && code === 401) : [];
  }

  async #toAll(service: ServiceName, asked: AskedCommand): Promise<CommandReply[]> {
    const { bus, subjects, fleet } = this.#options;
    const most = fleet.count(service);
    if (most === 0) return [];
    const subject = subjects.command(service, null, asked.command);
    const replies = new Map<string, CommandReply>();
    // One answer of each instance; invalid and repeated ones do not count.
    const accept = (text: string): boolean => {
      const [reply] = readReplies([text]);
      if (reply === undefined || reply.service !== service || replies.has(reply.instance)) return false;
      replies.set(reply.instance, reply);
      return true;
    };
    await bus.requestMany(subject, this.#request(asked), { forMs: ALL_ANSWER_MS, most, accept });
    return [...replies.values()];
  }

  #request({ who, said = null, from, args }: AskedCommand): string {
    const named = said === null ? {} : { said };
    const request: CommandRequest = { v: WIRE_VERSION, who, ...named, from, args, origin: this.#options.boot };
    return JSON.stringify(request);
  }
}

function readReplies(texts: readonly string[]): CommandReply[] {
  return texts
    .map((text) => readText(commandReply, text, LIMITS.medium) as CommandReply | null)
    .filter((reply) => reply !== null);
}
