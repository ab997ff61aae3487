/**
 * The acker on the control plane. It has no audit table, because its database may be another one than the outbox's: it
 * reports commands to a publisher, and to its own log.
 */
import type { Bus } from "@acktor/shared/bus/bus";
import type { AskedCommand, AuditRecord } from "@acktor/shared/inspect/command-desk";
import { type Controlled, ControlPlane } from "@acktor/shared/inspect/control-plane";
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import { describeMachine } from "@acktor/shared/inspect/describe-machine";
import { logTransitions } from "@acktor/shared/inspect/log-transitions";
import { type CommandOutcome, LINK_COMMANDS, runCommand, SERVICE_COMMANDS } from "@acktor/shared/inspect/run-command";
import { LINK_SHOWN, SUPERVISOR_SHOWN } from "@acktor/shared/inspect/shown-contexts";
import type { Json, MachineDefinition, MachinesView } from "@acktor/shared/inspect/wire";
import { linkMachine } from "@acktor/shared/link/link-machine";
import type { LinkObserver } from "@acktor/shared/link/link-options";
import type { Clock, Random } from "@acktor/shared/runtime/clock";
import type { FreshText } from "@acktor/shared/runtime/fresh-settings";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import { supervisorMachine } from "@acktor/shared/runtime/supervisor-machine";
import type { AnyActor } from "xstate";
import type { Acker } from "../acker.ts";
import type { Inbox } from "../inbox/inbox.ts";
import { receiverMachine } from "../subscribe/receiver-machine.ts";
import type { AckerObserver } from "../supervised-acker.ts";
import { VERSION } from "../version.ts";
import { ReceiptAnswers } from "./answer-receipts.ts";
import type { AckerView } from "./view.ts";

export interface AckerControlParts {
  readonly config: AckerSettings;
  readonly instance: string;
  readonly inbox: Pick<Inbox, "readReceipt">;
  readonly logger: Logger;
  readonly sharedBus: Bus | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly fresh?: FreshText<"NATS_URL">;
}

const REPORT_MS = 2_000;
/** Bytes of its newest events in /v1/machines?recent=true. */
const RECENT_BYTES = 2 * 1024 * 1024;

export class AckerControl implements AckerObserver, Controlled, LinkObserver {
  readonly plane: ControlPlane;
  readonly #parts: AckerControlParts;
  readonly #definitions: readonly MachineDefinition[];
  readonly #receipts: ReceiptAnswers;
  /** Written by `start`: no command is executed before. */
  #acker: Acker | null = null;
  #view: AckerView | null = null;

  constructor(parts: AckerControlParts) {
    const { config } = parts;
    this.#parts = parts;
    this.#definitions = [supervisorMachine, linkMachine, receiverMachine].map(describeMachine);
    this.plane = new ControlPlane({
      ...parts,
      service: "acker",
      version: VERSION,
      natsUrl: config.NATS_URL,
      natsCa: config.NATS_CA,
      natsPrefix: config.ACKTOR_NATS_PREFIX,
      natsInbox: config.ACKTOR_NATS_INBOX,
      natsSecret: config.ACKTOR_NATS_SECRET ?? config.ACKTOR_API_TOKEN,
      definitions: this.#definitions,
      controlled: this,
    });
    const { bus, subjects } = this.plane;
    this.#receipts = new ReceiptAnswers({ ...parts, bus, subject: subjects.receipts });
  }

  get deliveries(): DeliveryNotes {
    return this.plane.station.deliveries;
  }

  /** Messages on the bus that were not understood. */
  get malformed(): number {
    return this.plane.station.malformed + this.plane.desk.malformed + this.#receipts.malformed;
  }

  /** Joins the bus with an acker that has been started. */
  start(acker: Acker, view: AckerView): void {
    this.#acker = acker;
    this.#view = view;
    this.#followSupervisor(acker.supervisor.actor);
    this.#receipts.start();
    this.plane.start();
  }

  /** Leaves the bus. May be called early and twice. */
  async stop(): Promise<void> {
    this.#receipts.stop();
    await this.plane.stop();
  }

  /** For the link. */
  machineStarted(actor: AnyActor): void {
    this.plane.station.follow({ name: "link", machine: "link", actor, shown: LINK_SHOWN, commands: LINK_COMMANDS });
  }

  followReceiver(actor: AnyActor): void {
    this.plane.station.follow({ name: "receiver", machine: "receiver", actor, shown: [], commands: {} });
    logTransitions(actor, "receiver", this.#parts.logger);
  }

  /** What `GET /v1/machines` shows: this instance alone; a publisher shows all. */
  machines(actors: MachinesView["actors"], recent: boolean): MachinesView {
    const { kind, connected } = this.plane.bus;
    return {
      actors,
      instances: [this.plane.station.snapshot(recent ? RECENT_BYTES : null)],
      definitions: this.#definitions,
      bus: { kind, connected, partial: !connected },
    };
  }

  /** For the plane. */
  summary(): Readonly<Record<string, Json>> {
    return this.#view?.summary() ?? {};
  }

  /** For the plane. */
  async execute({ command }: AskedCommand): Promise<CommandOutcome> {
    const acker = this.#acker;
    if (acker === null) return { ok: false, code: 503, reason: "the acker has not started yet" };
    const outcome = await runCommand(command, { link: acker.parts.link, supervisor: acker.supervisor });
    return outcome ?? { ok: false, code: 409, reason: `${command} is a command for publishers` };
  }

  /** For the plane. */
  async record(record: AuditRecord): Promise<void> {
    const { logger } = this.#parts;
    const { bus, subjects } = this.plane;
    logger.info({ record }, "an operator's command");
    const reply = await bus.request(subjects.audit, JSON.stringify({ record }), REPORT_MS);
    if (!reply.ok) logger.warn({ record, why: reply.kind }, "no publisher recorded a command; this line is its record");
  }

  #followSupervisor(actor: AnyActor): void {
    const commands = SERVICE_COMMANDS;
    this.plane.station.follow({ name: "supervisor", machine: "supervisor", actor, shown: SUPERVISOR_SHOWN, commands });
    logTransitions(actor, "supervisor", this.#parts.logger);
  }
}
