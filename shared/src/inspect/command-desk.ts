/**
 * Where an instance takes operator's commands, from its own HTTP and from the bus.
 *
 * Invariants:
 *  DESK-1. Where the bus has a key, a command without its seal, or one that came before, does nothing and answers 401.
 *          Service, verb, `who`, `from` and `args` are under the seal; the secret is not in the message.
 *  2. Each command, refused ones too, is recorded once, by the instance that was to obey it. Of those without a good seal
 *     one a minute of each kind is recorded, with the number of the others: what a stranger sends causes no traffic, and
 *     nothing that it offered is on record.
 *  3. It is recorded with its outcome before it is answered. A record that cannot be written holds nobody up for long and
 *     undoes nothing: the log has it then.
 */
import type { Bus, BusMessage, SealRefusal, SubscribeOptions } from "../bus/bus.ts";
import type { ServiceName, Subjects } from "../protocol/subjects.ts";
import { LogThrottle } from "../runtime/log-throttle.ts";
import type { CommandOutcome } from "./run-command.ts";
import { COMMANDS, type Command, type CommandReply, type Json, WIRE_VERSION } from "./wire.ts";
import { commandRequest, LIMITS, readText, sealedBytes } from "./wire-schemas.ts";

export interface AskedCommand {
  readonly command: Command;
  readonly who: string;
  /** The name that the caller gave for itself, unproven. */
  readonly said?: string | null | undefined;
  /** Where it was asked: an address, or `bus`. */
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
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly execute: (asked: AskedCommand) => Promise<CommandOutcome>;
  /** Never rejects. */
  readonly record: (record: AuditRecord) => Promise<void>;
}

/** Commands under way; more are told to come again. */
const MOST_AT_ONCE = 20;
/** Who gave a command without a seal is not known, whatever it says. */
const STRANGER = "stranger";

export class CommandDesk {
  malformed = 0;
  readonly #options: CommandDeskOptions;
  readonly #knocks: LogThrottle;
  #subscriptions: (() => void)[] = [];
  #underWay = 0;

  constructor(options: CommandDeskOptions) {
    this.#options = options;
    this.#knocks = new LogThrottle({ now: options.now });
  }

  /** Takes commands from the bus. */
  start(): void {
    const { bus, subjects, service, instance } = this.#options;
    const [own, all] = subjects.commandsFor(service, instance);
    const sealed: SubscribeOptions = {
      once: true,
      mostBytes: sealedBytes(LIMITS.command),
      refused: (message, why) => this.#refuse(message, why),
    };
    this.#subscriptions = [
      bus.subscribe(own, (message) => this.#fromBus(message, false), sealed),
      bus.subscribe(all, (message) => this.#fromBus(message, true), sealed),
    ];
  }

  /** Twice and early is fine. */
  stop(): void {
    for (const end of this.#subscriptions.splice(0)) end();
  }

  /** Obeys, or says why not. The caller has made sure that `who` may. */
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

  async #fromBus({ subject, text, respond }: BusMessage, toAll: boolean): Promise<void> {
    const { boot } = this.#options;
    const command = this.#commandOf(subject);
    const request = command === undefined ? null : readText(commandRequest, text, LIMITS.command);
    if (command === undefined || request === null) {
      this.malformed++;
      respond(
        this.#said({ ok: false, code: 400, reason: command === undefined ? this.#noCommand(subject) : NOT_READ }),
      );
      return;
    }
    if (toAll && request.origin === boot) return;
    const args = (request.args ?? {}) as AskedCommand["args"];
    const { who, said = null, from = "bus" } = request;
    const reply = await this.run({ command, who, said, from, args });
    respond(JSON.stringify(reply));
  }

  /** A command without a good seal. */
  async #refuse({ subject, respond }: BusMessage, { kind, reason }: SealRefusal): Promise<void> {
    respond(this.#said({ ok: false, code: 401, reason }));
    const command = this.#commandOf(subject);
    const unsaid = command === undefined ? null : this.#knocks.admit(kind);
    if (command === undefined || unsaid === null) return;
    const { service, instance, record } = this.#options;
    const names = { who: STRANGER, from: "bus", service, instance, action: command } as const;
    await record({ ...names, outcome: "unauthorized", detail: { reason, more_before: unsaid }, messages: 0 });
  }

  #commandOf(subject: string): Command | undefined {
    const verb = this.#options.subjects.verbOf(subject);
    return COMMANDS.find((known) => known === verb);
  }

  #noCommand(subject: string): string {
    return `${this.#options.subjects.verbOf(subject).slice(0, 50)} is no command`;
  }

  #said(reply: Omit<CommandReply, "v" | "service" | "instance">): string {
    const { service, instance } = this.#options;
    return JSON.stringify({ v: WIRE_VERSION, service, instance, ...reply });
  }
}

const NOT_READ = 'the request is not {"v":1,"who":"…"} with the fields that the reference names';
