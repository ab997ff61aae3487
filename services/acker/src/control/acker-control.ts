/**
 * The acker on the control plane: what it tells, what it is told. It has no table for the audit, because its database may
 * be another one than the outbox's: it reports to a publisher, and to its own log.
 */
import type { Bus } from "@acktor/shared/bus/bus";
import type { Pool } from "@acktor/shared/db/pool";
import type { AuditRecord } from "@acktor/shared/inspect/command-desk";
import { ControlPlane } from "@acktor/shared/inspect/control-plane";
import { describeMachine } from "@acktor/shared/inspect/describe-machine";
import { logTransitions } from "@acktor/shared/inspect/log-transitions";
import { type CommandOutcome, LINK_COMMANDS, runCommand, SERVICE_COMMANDS } from "@acktor/shared/inspect/run-command";
import { LINK_SHOWN, SUPERVISOR_SHOWN } from "@acktor/shared/inspect/shown-contexts";
import type { Json, MachineDefinition, MachinesView } from "@acktor/shared/inspect/wire";
import type { Link } from "@acktor/shared/link/link";
import { linkMachine } from "@acktor/shared/link/link-machine";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import type { Supervisor } from "@acktor/shared/runtime/supervisor";
import { supervisorMachine } from "@acktor/shared/runtime/supervisor-machine";
import type { AnyActor } from "xstate";
import { receiverMachine } from "../subscribe/receiver-machine.ts";
import { VERSION } from "../version.ts";
import { answerReceipts } from "./answer-receipts.ts";
import type { ActorView } from "./routes.ts";

export interface AckerControlOptions {
  readonly config: AckerSettings;
  readonly instance: string;
  readonly pool: Pool;
  readonly logger: Logger;
  readonly sharedBus: Bus | null;
  /** Asked once the acker is put together. */
  readonly link: () => Link;
  readonly supervisor: () => Supervisor | null;
  readonly summary: () => { readonly [key: string]: Json };
  readonly now: () => number;
  readonly wallClock: () => number;
  readonly random: () => number;
}

const REPORT_MS = 2_000;
/** Of its own newest events, what /v1/machines?recent=true has. */
const RECENT_BYTES = 2 * 1024 * 1024;

export class AckerControl {
  readonly plane: ControlPlane;
  readonly #options: AckerControlOptions;
  readonly #definitions: readonly MachineDefinition[];
  #malformed = 0;
  #endReceipts: () => void = () => undefined;

  constructor(options: AckerControlOptions) {
    this.#options = options;
    const { config } = options;
    this.#definitions = [supervisorMachine, linkMachine, receiverMachine].map(describeMachine);
    this.plane = new ControlPlane({
      ...options,
      clock: options,
      random: { next: options.random },
      controlled: {
        summary: options.summary,
        execute: ({ command }) => this.#execute(command),
        record: (record) => this.#report(record),
      },
      service: "acker",
      version: VERSION,
      natsUrl: config.NATS_URL,
      natsCa: config.NATS_CA,
      natsPrefix: config.ACKTOR_NATS_PREFIX,
      natsInbox: config.ACKTOR_NATS_INBOX,
      natsSecret: config.ACKTOR_NATS_SECRET ?? config.ACKTOR_API_TOKEN,
      definitions: this.#definitions,
    });
  }

  get malformed(): number {
    return this.plane.station.malformed + this.plane.desk.malformed + this.#malformed;
  }

  /** Joins the bus; the acker is put together. */
  start(): void {
    const { pool, instance } = this.#options;
    const { bus, subjects } = this.plane;
    const onMalformed = (): void => void this.#malformed++;
    this.#endReceipts = answerReceipts({ bus, subject: subjects.receipts, pool, instance, onMalformed });
    this.plane.start();
  }

  /** Says goodbye. Twice and early is fine. */
  async stop(): Promise<void> {
    this.#endReceipts();
    await this.plane.stop();
  }

  followLink(actor: AnyActor): void {
    this.plane.station.follow({ name: "link", machine: "link", actor, shown: LINK_SHOWN, commands: LINK_COMMANDS });
  }

  followSupervisor(actor: AnyActor): void {
    const commands = SERVICE_COMMANDS;
    this.plane.station.follow({ name: "supervisor", machine: "supervisor", actor, shown: SUPERVISOR_SHOWN, commands });
    logTransitions(actor, "supervisor", this.#options.logger);
  }

  followReceiver(actor: AnyActor): void {
    this.plane.station.follow({ name: "receiver", machine: "receiver", actor, shown: [], commands: {} });
    logTransitions(actor, "receiver", this.#options.logger);
  }

  /** What `GET /v1/machines` shows: this instance alone; a publisher shows all. */
  machines(actors: readonly ActorView[], recent: boolean): MachinesView {
    const { kind, connected } = this.plane.bus;
    return {
      actors: actors.map((actor) => ({ ...actor })),
      instances: [this.plane.station.snapshot(recent ? RECENT_BYTES : null)],
      definitions: this.#definitions,
      bus: { kind, connected, partial: !connected },
    };
  }

  async #execute(command: Parameters<typeof runCommand>[0]): Promise<CommandOutcome> {
    const { link, supervisor } = this.#options;
    const outcome = await runCommand(command, { link: link(), supervisor: supervisor() });
    return outcome ?? { ok: false, code: 409, reason: `${command} is a command for publishers` };
  }

  async #report(record: AuditRecord): Promise<void> {
    const { logger } = this.#options;
    const { bus, subjects } = this.plane;
    logger.info({ record }, "an operator's command");
    const reply = await bus.request(subjects.audit, JSON.stringify({ record }), REPORT_MS);
    if (!reply.ok) logger.warn({ record, why: reply.kind }, "no publisher recorded a command; this line is its record");
  }
}
