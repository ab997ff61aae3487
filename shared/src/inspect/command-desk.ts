/**
 * Runs operator commands, from HTTP and from the bus, and records them in the audit.
 *
 * Invariants:
 *  DESK-1. Where the bus has a key, a command without a valid seal, or with a used nonce, has no effect and answers 401. The
 *     seal covers service, verb, `who`, `from` and `args`; the message does not contain the secret.
 *  DESK-2. Each command, a refused one as well, is recorded once, by the instance that was to run it. Of those without a valid
 *     seal one a minute of each kind is recorded, with the number of the others and nothing of their content.
 *  DESK-3. A command is recorded with its outcome before it is answered. A record that cannot be written delays the answer
 *     only briefly, is in the log, and undoes nothing.
 */
import type { Bus, BusMessage, SealRefusal, SubscribeOptions } from "../bus/bus.ts";
import type { ServiceName, Subjects } from "../protocol/subjects.ts";
import type { Clock } from "../runtime/clock.ts";
import { LogThrottle } from "../runtime/log-throttle.ts";
import type { CommandOutcome } from "./run-command.ts";
import { COMMANDS, type Command, type CommandReply, type Json, WIRE_VERSION } from "./wire.ts";
import { commandRequest, LIMITS, readText, sealedBytes } from "./wire-schemas.ts";

export interface AskedCommand {
  readonly command: Command;
  readonly who: string;
  /** The name that the caller claims. */
  readonly said?: string | null | undefined;
  /** Where the command came from: an address, or `bus`. */
  readonly from: string;
  readonly args: { readonly [key: string]: Json };
}

/** A line of the audit. */
export interface AuditRecord {
  /** The authenticated principal, or the address of a refused caller. */
  readonly who: string;
  /** The name that the caller claims. */
  readonly said?: string | null | undefined;
  readonly from: string;
  readonly service: ServiceName;
  readonly instance: string;
  readonly action: string;
  readonly outcome: "done" | "refused" | "unauthorized" | "forbidden" | "unanswered";
  /** The reason of a refusal, or the result. */
  readonly detail: Json;
  /** Number of messages that it moved. */
  readonly messages: number;
}

export interface CommandDeskOptions {
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly service: ServiceName;
  readonly instance: string;
  readonly boot: string;
  readonly clock: Pick<Clock, "now">;
  readonly executor: CommandExecutor;
}

export interface CommandExecutor {
  execute(asked: AskedCommand): Promise<CommandOutcome>;
  /** Writes a line of the audit. Never rejects. */
  record(record: AuditRecord): Promise<void>;
}

/** Commands that run at a time; further ones are answered with 503. */
const MOST_AT_ONCE = 20;
/** The sender of a command without a seal is unknown, even if the command names one. */
const STRANGER = "stranger";

export class CommandDesk {
  malformed = 0;
  readonly #options: CommandDeskOptions;
  readonly #knocks: LogThrottle;
  #subscriptions: (() => void)[] = [];
  #underWay = 0;

  constructor(options: CommandDeskOptions) {
    this.#options = options;
    this.#knocks = new LogThrottle(options.clock);
  }

  /** Subscribes to commands on the bus. */
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

  stop(): void {
    for (const end of this.#subscriptions.splice(0)) end();
  }

  /** Runs a command. The caller has checked that `who` may. */
  async run(asked: AskedCommand): Promise<CommandReply> {
    const { service, instance, executor } = this.#options;
    const reply = { v: WIRE_VERSION, service, instance } as const;
    if (this.#underWay >= MOST_AT_ONCE)
      return { ...reply, ok: false, code: 503, reason: "too many commands run already" };
    this.#underWay++;
    try {
      const outcome = await executor.execute(asked);
      const { command: action, who, said: name = null, from, args } = asked;
      const said = outcome.ok ? { result: outcome.result } : { reason: outcome.reason };
      // DESK-2, DESK-3
      await executor.record({
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
        const { stops } = outcome;
        // In a later turn, so that the answer is sent first.
        if (stops !== undefined) setImmediate(() => void stops.stop());
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

  /** DESK-1: a command without a valid seal. */
  async #refuse({ subject, respond }: BusMessage, { kind, reason }: SealRefusal): Promise<void> {
    respond(this.#said({ ok: false, code: 401, reason }));
    const command = this.#commandOf(subject);
    const unsaid = command === undefined ? null : this.#knocks.admit(kind);
    if (command === undefined || unsaid === null) return;
    const { service, instance, executor } = this.#options;
    const names = { who: STRANGER, from: "bus", service, instance, action: command } as const;
    await executor.record({ ...names, outcome: "unauthorized", detail: { reason, more_before: unsaid }, messages: 0 });
  }

  #commandOf(subject: string): Command | undefined {
    const verb = this.#options.subjects.verbOf(subject);
    return COMMANDS.find((known) => known === verb);
  }

  #noCommand(subject: string): string {
    return `${this.#options.subjects.verbOf(subject).slice(0, 50)} is not a command`;
  }

  #said(reply: Omit<CommandReply, "v" | "service" | "instance">): string {
    const { service, instance } = this.#options;
    return JSON.stringify({ v: WIRE_VERSION, service, instance, ...reply });
  }
}

const NOT_READ = 'the request is not {"v":1,"who":"…"} with the fields that the reference names';
