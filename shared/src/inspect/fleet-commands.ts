/**
 * Commands from one instance to any: itself without the bus, another by request and reply, all of a service at once.
 *
 * Invariant COMMANDS-1: where the bus has a key, an answer that says that something was done is sealed by it. One without a
 * seal counts as a refusal at most: that of an instance with another key, which cannot seal for us.
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
  /** How many others of a service are known. */
  readonly count: (service: ServiceName) => number;
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

  /** The answers that came; none when nobody is there. */
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
    return reply.kind === "unproven" ? readReplies([reply.text]).filter(({ ok, code }) => !ok && code === 401) : [];
  }

  async #toAll(service: ServiceName, asked: AskedCommand): Promise<CommandReply[]> {
    const { bus, subjects, count } = this.#options;
    const most = count(service);
    if (most === 0) return [];
    const subject = subjects.command(service, null, asked.command);
    const replies = new Map<string, CommandReply>();
    // One of each instance: what is no answer, or comes twice, keeps none out.
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
