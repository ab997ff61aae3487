/**
 * The publisher on the control plane: what it tells, what it is told, what it sees of the others.
 *
 * Invariant: nothing here is on the way of a message that came by HTTP or SQL; without NATS the publisher works the same.
 */
import type { Bus } from "@acktor/shared/bus/bus";
import type { Pool } from "@acktor/shared/db/pool";
import type { AskedCommand } from "@acktor/shared/inspect/command-desk";
import { ControlPlane } from "@acktor/shared/inspect/control-plane";
import { describeMachine } from "@acktor/shared/inspect/describe-machine";
import { FleetCommands } from "@acktor/shared/inspect/fleet-commands";
import { FleetView } from "@acktor/shared/inspect/fleet-view";
import { logTransitions } from "@acktor/shared/inspect/log-transitions";
import { type CommandOutcome, LINK_COMMANDS, runCommand, SERVICE_COMMANDS } from "@acktor/shared/inspect/run-command";
import { LINK_SHOWN, SUPERVISOR_SHOWN } from "@acktor/shared/inspect/shown-contexts";
import type { Json } from "@acktor/shared/inspect/wire";
import type { Link } from "@acktor/shared/link/link";
import { linkMachine } from "@acktor/shared/link/link-machine";
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

export interface PublisherControlOptions {
  readonly config: PublisherSettings;
  readonly instance: string;
  readonly pool: Pool;
  readonly logger: Logger;
  readonly sharedBus: Bus | null;
  /** Asked once the publisher is put together. */
  readonly link: () => Link;
  readonly supervisor: () => Supervisor | null;
  readonly summary: () => { readonly [key: string]: Json };
  /** Rows are due that nobody announced. */
  readonly wake: () => void;
  readonly now: () => number;
  readonly wallClock: () => number;
  readonly random: () => number;
}

/** Wakes from the bus closer together than this are one: a flood of them is no flood of claims. */
const WAKE_EVERY_MS = 20;
const MOST_WAKE_BYTES = 4_096;

export class PublisherControl {
  readonly plane: ControlPlane;
  readonly fleet: FleetView;
  readonly commands: FleetCommands;
  readonly auditor: Auditor;
  readonly #options: PublisherControlOptions;
  #subscriptions: (() => void)[] = [];
  #waking: NodeJS.Timeout | null = null;

  constructor(options: PublisherControlOptions) {
    this.#options = options;
    const { config, instance, pool, logger, now } = options;
    this.auditor = new Auditor({ pool, logger, now });
    const definitions = [
      ...[supervisorMachine, linkMachine, dispatcherMachine, periodicMachine].map(describeMachine),
      describeDelivery(),
    ];
    this.plane = new ControlPlane({
      ...options,
      clock: options,
      random: { next: options.random },
      controlled: {
        summary: options.summary,
        execute: (asked) => this.#execute(asked),
        record: (record) => this.auditor.record(record),
      },
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
    this.fleet = new FleetView({ bus, subjects, boot, station, definitions, clock: options });
    const { fleet } = this;
    this.commands = new FleetCommands({ bus, subjects, boot, desk, service: "publisher", instance, fleet });
  }

  get malformed(): number {
    const { station, desk } = this.plane;
    return station.malformed + desk.malformed + this.fleet.malformed + this.auditor.malformed;
  }

  followLink(actor: AnyActor): void {
    this.plane.station.follow({ name: "link", machine: "link", actor, shown: LINK_SHOWN, commands: LINK_COMMANDS });
  }

  followSupervisor(actor: AnyActor): void {
    const commands = SERVICE_COMMANDS;
    this.plane.station.follow({ name: "supervisor", machine: "supervisor", actor, shown: SUPERVISOR_SHOWN, commands });
    logTransitions(actor, "supervisor", this.#options.logger);
  }

  followDispatcher(actor: AnyActor): void {
    const shown = ["pollMs", "woken", "more", "failures"];
    this.plane.station.follow({ name: "dispatcher", machine: "dispatcher", actor, shown, commands: {} });
    // Its gates are news; between claiming, sending and waiting it goes round with every poll.
    logTransitions(actor, "dispatcher", this.#options.logger, (from, to) => from !== "IDLE" && to !== "IDLE");
  }

  followRole(name: string, actor: AnyActor): void {
    const shown = ["intervalMs", "runs", "failures"];
    this.plane.station.follow({ name, machine: "periodic", actor, shown, commands: {} });
  }

  /** Joins the bus; the publisher is put together and listens. */
  start(intake: Intake, limits: IntakeLimits): void {
    const { bus, subjects } = this.plane;
    this.#subscriptions = [
      takeFromBus({ bus, subject: subjects.enqueue, intake, limits }),
      // Nothing is believed of a wake: however many come, they are one look each `WAKE_EVERY_MS`.
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

  /** Takes nothing more from the bus. Twice and early is fine. */
  leave(): void {
    for (const end of this.#subscriptions.splice(0)) end();
    if (this.#waking !== null) clearTimeout(this.#waking);
    this.#waking = null;
  }

  /** Says goodbye. Twice and early is fine. */
  async stop(): Promise<void> {
    this.leave();
    this.fleet.stop();
    await this.plane.stop();
  }

  #wakeSoon(): void {
    this.#waking ??= setTimeout(() => {
      this.#waking = null;
      this.#options.wake();
    }, WAKE_EVERY_MS);
  }

  async #execute(asked: AskedCommand): Promise<CommandOutcome> {
    const { link, supervisor } = this.#options;
    const known = await runCommand(asked.command, { link: link(), supervisor: supervisor() });
    return known ?? this.#replay(asked);
  }

  async #replay({ args, who, said }: AskedCommand): Promise<CommandOutcome> {
    const { pool, config, wake } = this.#options;
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
    if (!result.ok) return { ok: false, code: 503, reason: `the outbox cannot be asked (${result.failure.code})` };
    if (!result.value.dry_run) wake();
    return { ok: true, result: result.value, messages: result.value.replayed };
  }
}
