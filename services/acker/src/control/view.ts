/** What people see of an acker: whether it is ready, what it counts, in which states its actors are. */
import type { Json, MachinesView } from "@acktor/shared/inspect/wire";
import type { LinkInfo } from "@acktor/shared/link/link";
import { connectionInfo, linkStatistics } from "@acktor/shared/link/show-link";
import type { Readiness } from "@acktor/shared/runtime/http-server";
import type { Acker } from "../acker.ts";
import { VERSION } from "../version.ts";

/** Refused filters that `/readyz` names at most. */
const FILTERS_NAMED = 5;

export class AckerView {
  readonly #acker: Acker;

  constructor(acker: Acker) {
    this.#acker = acker;
  }

  /**
   * Ready = PostgreSQL answers, the link is CONNECTED, the service is RUNNING. Degraded = ready, and a part fails for
   * some time.
   */
  readiness(): Readiness {
    const { database, parts, supervisor, troubles } = this.#acker;
    const mqtt = parts.link.info().state;
    const service = supervisor.state();
    const ready = database.isUp() && mqtt === "CONNECTED" && service === "RUNNING";
    const failing = { ...troubles.checks(), ...refusedFilters(parts.link.info()) };
    const status = !ready ? "unavailable" : Object.keys(failing).length === 0 ? "ok" : "degraded";
    return { ready, status, checks: { postgres: database.health.line(), mqtt, service, ...failing } };
  }

  /** `GET /v1/status`; `queue` counts messages, except `bytes`. */
  status() {
    const { acks, counts, database, parts, places, processor, receiver, supervisor } = this.#acker;
    const { config, handler, instance, link } = parts;
    const info = link.info();
    return {
      service: "acker",
      instance,
      version: VERSION,
      state: supervisor.state(),
      receiver: receiver.state(),
      handler: handler.name,
      topics: config.ACKTOR_TOPICS,
      group: config.ACKTOR_GROUP,
      database: {
        up: database.isUp(),
        state: database.health.state.kind,
        fault: database.isUp() ? null : database.health.line(),
      },
      connection: connectionInfo(info),
      statistics: linkStatistics(info),
      received: counts.received,
      messages: counts.messages,
      topics_changed: counts.topics,
      handled: counts.handler,
      acks: counts.acks,
      queue: {
        held: places.size(),
        bytes: places.bytes(),
        waiting: processor.waiting(),
        handling: this.#handling(),
        acks: acks.waiting(),
      },
    };
  }

  /** What the overview shows of this instance. */
  summary(): Readonly<Record<string, Json>> {
    const { counts, database, parts, places, receiver, supervisor } = this.#acker;
    const { state, breaker, protocolVersion } = parts.link.info();
    const { first, duplicate } = counts.messages;
    const { name: handler, mode } = parts.handler;
    return {
      state: supervisor.state(),
      receiver: receiver.state(),
      connection: state,
      breaker,
      protocol_version: protocolVersion,
      postgres: database.isUp(),
      handler,
      received: counts.received,
      processed: mode === "row" ? first : counts.handler.processed,
      duplicates: duplicate,
      rejected: counts.handler.rejected,
      acks_sent: counts.acks.sent,
      queued: places.size(),
      handling: this.#handling(),
    };
  }

  actors(): MachinesView["actors"] {
    const { parts, places, receiver, supervisor } = this.#acker;
    const info = parts.link.info();
    const view = (actor: string, value: unknown, context: object) => {
      return { service: "acker", instance: parts.instance, actor, machine: actor, value, context };
    };
    return [
      view("supervisor", supervisor.state(), supervisor.actor.getSnapshot().context),
      view("link", { connection: info.state, breaker: info.breaker }, info),
      view("receiver", receiver.state(), { held: places.size(), bytes: places.bytes() }),
    ];
  }

  #handling(): number {
    return this.#acker.runs?.sizes().handling ?? 0;
  }
}

/** Data filters that the broker refused: their messages do not arrive. */
function refusedFilters({ refused }: LinkInfo): Record<string, string> {
  const lost = refused.filter(({ need }) => need === "one_of");
  if (lost.length === 0) return {};
  const named = lost.slice(0, FILTERS_NAMED).map(({ filter, reason }) => `${filter} (${reason})`);
  const more = lost.length > named.length ? ` and ${lost.length - named.length} more` : "";
  return { subscriptions: `refused by the broker: ${named.join(", ")}${more}` };
}
