/**
 * Where an instance takes operator's commands, from its own HTTP and from the bus.
 *
 * Invariants:
 *  1. Where a token is configured a command from the bus without it, or with another one, does nothing and answers 401.
 *  2. Each command, refused ones too, is recorded once, by the instance that was to obey it.
 *  3. It is recorded with its outcome before it is answered. A record that cannot be written holds nobody up for long and
 *     undoes nothing: the log has it then.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Bus } from "../bus/bus.ts";
import type { Subjects } from "../bus/subjects.ts";
import type { CommandOutcome } from "./run-command.ts";
import { COMMANDS, type Command, type CommandReply, type Json, type ServiceName, WIRE_VERSION } from "./wire.ts";
import { commandRequest, readText } from "./wire-schemas.ts";

export interface AskedCommand {
  readonly command: Command;
  readonly who: string;
  /** The name that the caller gave for itself, unproven. */
  readonly said?: string | null | undefined;
  /** Where he asked: an address, or `bus`. */
  readonly from: string;
  readonly args: { readonly [key: string]: Json };
}

/** A line of the audit. */
export interface AuditRecord {
  /** The authenticated principal, or the address of a caller that was refused. */
  readonly who: string;
  /** The name that the caller gave for itself, unproven. */
  readonly said?: string | null | undefined;
  readonly from: string;
  readonly service: ServiceName;
  readonly instance: string;
  readonly action: string;
  readonly outcome: "done" | "refused" | "unauthorized" | "forbidden" | "unanswered";
  /** Why not, or what came of it. */
  readonly detail: Json;
  /** Messages that it moved. */
  readonly messages: number;
}

export interface CommandDeskOptions {
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly service: ServiceName;
  readonly instance: string;
  readonly boot: string;
  readonly token: string | null;
  readonly execute: (asked: AskedCommand) => Promise<CommandOutcome>;
  /** Never rejects. */
  readonly record: (record: AuditRecord) => Promise<void>;
}

/** Commands under way; more are told to come again. */
const MOST_AT_ONCE = 20;

export class CommandDesk {
  malformed = 0;
  readonly #options: CommandDeskOptions;
  #subscriptions: (() => void)[] = [];
  #underWay = 0;

  constructor(options: CommandDeskOptions) {
    this.#options = options;
  }

  /** Takes commands from the bus. */
  start(): void {
    const { bus, subjects, service, instance } = this.#options;
    const [own, all] = subjects.commandsFor(service, instance);
    this.#subscriptions = [
      bus.subscribe(own, ({ subject, text, respond }) => void this.#fromBus(subject, text, respond, false)),
      bus.subscribe(all, ({ subject, text, respond }) => void this.#fromBus(subject, text, respond, true)),
    ];
  }

  /** Twice and early is fine. */
  stop(): void {
    for (const end of this.#subscriptions.splice(0)) end();
  }

  /** Obeys, or says why not. Whoever calls has made sure that he may. */
  async run(asked: AskedCommand): Promise<CommandReply> {
    const { service, instance, execute, record } = this.#options;
    const reply = { v: WIRE_VERSION, service, instance } as const;
    if (this.#underWay >= MOST_AT_ONCE) return { ...reply, ok: false, code: 503, reason: "too many commands at once" };
    this.#underWay++;
    try {
      const outcome = await execute(asked);
      const { command: action, who, said: name = null, from, args } = asked;
      const said = outcome.ok ? { result: outcome.result } : { reason: outcome.reason };
      await record({
        who,
        said: name,
        from,
        service,
        instance,
        action,
        outcome: outcome.ok ? "done" : "refused",
        detail: { ...(Object.keys(args).length > 0 ? { args } : {}), ...said },
        messages: outcome.ok ? (outcome.messages ?? 0) : 0,
      });
      if (outcome.ok) {
        // In a later turn, so that the answer goes first.
        if (outcome.after !== undefined) setImmediate(outcome.after);
        return { ...reply, ok: true, result: outcome.result };
      }
      return { ...reply, ok: false, code: outcome.code, reason: outcome.reason };
    } finally {
      this.#underWay--;
    }
  }

  async #fromBus(subject: string, text: string, respond: (text: string) => void, toAll: boolean): Promise<void> {
    const { subjects, service, instance, boot, token, record } = this.#options;
    const verb = subjects.verbOf(subject);
    const command = COMMANDS.find((known) => known === verb);
    const request = readText(commandRequest, text);
    const answer = (reply: Omit<CommandReply, "v" | "service" | "instance">): void =>
      respond(JSON.stringify({ v: WIRE_VERSION, service, instance, ...reply }));
    if (command === undefined || request === null) {
      this.malformed++;
      answer({ ok: false, code: 400, reason: command === undefined ? `${verb.slice(0, 50)} is no command` : NOT_READ });
      return;
    }
    if (toAll && request.origin === boot) return;
    const from = request.from ?? "bus";
    if (token !== null && !isSame(request.token ?? "", token)) {
      const why = { reason: "the token is missing or wrong" };
      await record({
        who: request.who,
        from,
        service,
        instance,
        action: command,
        outcome: "unauthorized",
        detail: why,
        messages: 0,
      });
      answer({ ok: false, code: 401, ...why });
      return;
    }
    const args = (request.args ?? {}) as AskedCommand["args"];
    const {
      v: _,
      service: __,
      instance: ___,
      ...reply
    } = await this.run({
      command,
      who: request.who,
      said: request.said ?? null,
      from,
      args,
    });
    answer(reply);
  }
}

const NOT_READ = 'the request is not {"v":1,"who":"…"} with what the reference gives beside it';

/** In constant time. */
export function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
