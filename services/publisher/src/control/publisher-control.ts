/**
 * The publisher on the control plane: it announces itself, executes commands, and follows the other services. No message that
 * came by HTTP or SQL passes here; without NATS the publisher works the same.
 */
import type { Bus } from "@acktor/shared/bus/bus";
import type { Pool } from "@acktor/shared/db/pool";
import type { AskedCommand, AuditRecord } from "@acktor/shared/inspect/command-desk";
import { type Controlled, ControlPlane } from "@acktor/shared/inspect/control-plane";
import { describeMachine } from "@acktor/shared/inspect/describe-machine";
import { FleetCommands } from "@acktor/shared/inspect/fleet-commands";
import { FleetView } from "@acktor/shared/inspect/fleet-view";
import { logTransitions } from "@acktor/shared/inspect/log-transitions";
import { type CommandOutcome, LINK_COMMANDS, runCommand, SERVICE_COMMANDS } from "@acktor/shared/inspect/run-command";
import { LINK_SHOWN, SUPERVISOR_SHOWN } from "@acktor/shared/inspect/shown-contexts";
import type { Summarized } from "@acktor/shared/inspect/station";
import type { Json } from "@acktor/shared/inspect/wire";
import type { Link } from "@acktor/shared/link/link";
import { linkMachine } from "@acktor/shared/link/link-machine";
import type { Clock, Random } from "@acktor/shared/runtime/clock";
import type { FreshText } from "@acktor/shared/runtime/fresh-settings";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";
import type { Supervisor } from "@acktor/shared/runtime/supervisor";
import { supervisorMachine } from "@acktor/shared/runtime/supervisor-machine";
import type { AnyActor } from "xstate";
import { dispatcherMachine } from "../dispatch/dispatcher-machine.ts";
import { takeFromBus } from "../intake/bus-intake.ts";
import type { Intake } from "../intake/intake.ts";
import type { IntakeLimits } from "../intake/validate-message.ts";
import { periodicMachine } from "../janitor/periodic-machine.ts";
import { describeDelivery } from "../outbox/describe-delivery.ts";
import { VERSION } from "../version.ts";
import { askReceipts, type Receipts } from "./ask-receipts.ts";
import { Auditor } from "./auditor.ts";
import { deadLettersBody, replayByFilter } from "./replay-by-filter.ts";

export interface PublisherControlParts {
  readonly config: PublisherSettings;
  readonly instance: string;
  readonly pool: Pool;
  readonly logger: Logger;
  readonly sharedBus: Bus | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly fresh?: FreshText<"NATS_URL">;
}

/** What the control plane shows and commands; given at the start, when the publisher is put together. */
export interface ControlledPublisher {
  readonly link: Link;
  readonly supervisor: Supervisor;
  readonly view: Summarized;
  readonly intake: Intake;
  readonly limits: IntakeLimits;
  readonly doorbell: { ring(): void };
}

/** Wakes from the bus that are closer together than this are one: a flood of them causes no flood of claims. */
const WAKE_EVERY_MS = 20;
const MOST_WAKE_BYTES = 4_096;

export class PublisherControl implements Controlled {
  readonly plane: ControlPlane;
  readonly fleet: FleetView;
  readonly commands: FleetCommands;
  readonly auditor: Auditor;
  readonly #parts: PublisherControlParts;
  /** Written by `start`. */
  #controlled: ControlledPublisher | null = null;
  #subscriptions: (() => void)[] = [];
  #waking: NodeJS.Timeout | null = null;

  constructor(parts: PublisherControlParts) {
    this.#parts = parts;
    const { config, instance, clock } = parts;
    this.auditor = new Auditor(parts);
    const definitions = [
      ...[supervisorMachine, linkMachine, dispatcherMachine, periodicMachine].map(describeMachine),
      describeDelivery(),
    ];
    this.plane = new ControlPlane({
      ...parts,
      controlled: this,
      service: "publisher",
      version: VERSION,
      natsUrl: config.NATS_URL,
      natsCa: config.NATS_CA,
      natsPrefix: config.ACKTOR_NATS_PREFIX,
      natsInbox: config.ACKTOR_NATS_INBOX,
      natsSecret: config.ACKTOR_NATS_SECRET ?? config.ACKTOR_API_TOKEN,
      definitions,
    });
    const { bus, subjects, boot, station, desk } = this.plane;
    this.fleet = new FleetView({ bus, subjects, boot, station, definitions, clock });
    const { fleet } = this;
    this.commands = new FleetCommands({ bus, subjects, boot, desk, service: "publisher", instance, fleet });
  }

  get malformed(): number {
    const { station, desk } = this.plane;
    return station.malformed + desk.malformed + this.fleet.malformed + this.auditor.malformed;
  }

  /** The link's machine has started. */
  machineStarted(actor: AnyActor): void {
    this.plane.station.follow({ name: "link", machine: "link", actor, shown: LINK_SHOWN, commands: LINK_COMMANDS });
  }

  followSupervisor(actor: AnyActor): void {
    const commands = SERVICE_COMMANDS;
    this.plane.station.follow({ name: "supervisor", machine: "supervisor", actor, shown: SUPERVISOR_SHOWN, commands });
    logTransitions(actor, "supervisor", this.#parts.logger);
  }

  followDispatcher(actor: AnyActor): void {
    const shown = ["pollMs", "woken", "more", "failures"];
    this.plane.station.follow({ name: "dispatcher", machine: "dispatcher", actor, shown, commands: {} });
    // Its gates are news; it changes between claiming, sending and waiting with every poll.
    logTransitions(actor, "dispatcher", this.#parts.logger, (from, to) => from !== "IDLE" && to !== "IDLE");
  }

  followRole(name: string, actor: AnyActor): void {
    const shown = ["intervalMs", "runs", "failures"];
    this.plane.station.follow({ name, machine: "periodic", actor, shown, commands: {} });
  }

  /** Joins the bus; the publisher is put together and listens. */
  start(controlled: ControlledPublisher): void {
    this.#controlled = controlled;
    const { intake, limits } = controlled;
    const { bus, subjects } = this.plane;
    this.#subscriptions = [
      takeFromBus({ bus, subject: subjects.enqueue, intake, limits }),
      // A wake is not trusted: any number of them causes one claim each `WAKE_EVERY_MS`.
      bus.subscribe(subjects.wake, () => this.#wakeSoon(), { unsealed: true, mostBytes: MOST_WAKE_BYTES }),
      this.auditor.listen(bus, subjects.audit),
    ];
    this.fleet.start();
    this.plane.start();
  }

  /** What the ackers' inboxes know of a message. */
  receipts(messageId: string): Promise<Receipts> {
    const { bus, subjects } = this.plane;
    return askReceipts(bus, subjects.receipts, this.fleet.count("acker"), messageId);
  }

  /** Figures for the announcements, which begin with `start`. */
  summary(): { readonly [key: string]: Json } {
    return this.#controlled?.view.summary() ?? {};
  }

  record(record: AuditRecord): Promise<void> {
    return this.auditor.record(record);
  }

  async execute(asked: AskedCommand): Promise<CommandOutcome> {
    if (this.#controlled === null) return { ok: false, code: 503, reason: "the publisher is starting" };
    return (await runCommand(asked.command, this.#controlled)) ?? this.#replay(asked, this.#controlled);
  }

  /** Takes nothing more from the bus. May be called early; a second call has no effect. */
  leave(): void {
    for (const end of this.#subscriptions.splice(0)) end();
    if (this.#waking !== null) clearTimeout(this.#waking);
    this.#waking = null;
  }

  /** Announces the stop. May be called early; a second call has no effect. */
  async stop(): Promise<void> {
    this.leave();
    this.fleet.stop();
    await this.plane.stop();
  }

  #wakeSoon(): void {
    this.#waking ??= setTimeout(() => {
      this.#waking = null;
      this.#controlled?.doorbell.ring();
    }, WAKE_EVERY_MS);
  }

  async #replay({ args, who, said }: AskedCommand, { doorbell }: ControlledPublisher): Promise<CommandOutcome> {
    const { pool, config } = this.#parts;
    const body = deadLettersBody.safeParse(args);
    if (!body.success) {
      const issue = body.error.issues[0];
      return {
        ok: false,
        code: 400,
        reason: `args.${issue?.path.join(".") ?? ""} ${issue?.message ?? "is not valid"}`,
      };
    }
    const result = await replayByFilter(pool, config.ACKTOR_INBOX_WINDOW, body.data, {
      who,
      said: body.data.who ?? said ?? null,
    });
    if (!result.ok) return { ok: false, code: 503, reason: `the outbox does not answer (${result.failure.code})` };
    if (!result.value.dry_run) doorbell.ring();
    return { ok: true, result: result.value, messages: result.value.replayed };
  }
}
