/** What people see of an acker: is it ready, what does it count, in which states are its actors. */
import type { Json } from "@acktor/shared/inspect/wire";
import type { Link } from "@acktor/shared/link/link";
import { connectionInfo, linkStatistics } from "@acktor/shared/link/show-link";
import type { Readiness } from "@acktor/shared/runtime/http-server";
import type { Supervisor } from "@acktor/shared/runtime/supervisor";
import { VERSION } from "../version.ts";
import type { Counts } from "./counts.ts";
import type { AckerStatus, ActorView } from "./routes.ts";

export interface ViewSource {
  readonly instance: string;
  readonly handler: string;
  readonly topics: readonly string[];
  readonly group: string | null;
  readonly link: Link;
  readonly counts: Counts;
  readonly database: { isUp(): boolean; fault(): string | null };
  /** What fails and does not recover. */
  readonly troubles: { checks(): Readonly<Record<string, string>> };
  readonly intake: { size(): number; bytes(): number };
  readonly pipeline: { waiting(): number };
  readonly acks: { waiting(): number };
  readonly handling: () => number;
  readonly receiver: () => string;
  /** Null before it starts. */
  readonly supervisor: () => Supervisor | null;
}

/** Ready = PostgreSQL answers, the link is CONNECTED, it runs. Degraded = ready, and a part fails and does not recover. */
export function readinessOf(source: ViewSource): Readiness {
  const { database } = source;
  const mqtt = source.link.info().state;
  const service = stateOf(source);
  const ready = database.isUp() && mqtt === "CONNECTED" && service === "RUNNING";
  const postgres = database.isUp() ? "ok" : (database.fault() ?? "not asked yet");
  const failing = source.troubles.checks();
  const status = !ready ? "unavailable" : Object.keys(failing).length === 0 ? "ok" : "degraded";
  return { ready, status, checks: { postgres, mqtt, service, ...failing } };
}

export function statusOf(source: ViewSource): AckerStatus {
  const { instance, handler, topics, group, counts, database, intake, acks, pipeline } = source;
  const info = source.link.info();
  return {
    service: "acker",
    instance,
    version: VERSION,
    state: stateOf(source),
    receiver: source.receiver(),
    handler,
    topics,
    group,
    database: { up: database.isUp(), fault: database.fault() },
    connection: connectionInfo(info),
    statistics: linkStatistics(info),
    received: counts.received,
    messages: counts.messages,
    handled: counts.handler,
    acks: counts.acks,
    queue: {
      held: intake.size(),
      bytes: intake.bytes(),
      waiting: pipeline.waiting(),
      handling: source.handling(),
      acks: acks.waiting(),
    },
  };
}

/** What the overview shows of this instance. */
export function summaryOf(source: ViewSource): Readonly<Record<string, Json>> {
  const { counts, database, handler } = source;
  const { state, breaker, protocolVersion } = source.link.info();
  const { first, duplicate } = counts.messages;
  return {
    state: stateOf(source),
    receiver: source.receiver(),
    connection: state,
    breaker,
    protocol_version: protocolVersion,
    postgres: database.isUp(),
    handler,
    received: counts.received,
    processed: handler === "inbox" ? first : counts.handler.processed,
    duplicates: duplicate,
    rejected: counts.handler.rejected,
    acks_sent: counts.acks.sent,
    queued: source.intake.size(),
    handling: source.handling(),
  };
}

export function actorsOf(source: ViewSource): ActorView[] {
  const info = source.link.info();
  const view = (actor: string, value: unknown, context: object): ActorView => {
    return { service: "acker", instance: source.instance, actor, machine: actor, value, context };
  };
  return [
    view("supervisor", stateOf(source), source.supervisor()?.actor.getSnapshot().context ?? {}),
    view("link", { connection: info.state, breaker: info.breaker }, info),
    view("receiver", source.receiver(), { held: source.intake.size(), bytes: source.intake.bytes() }),
  ];
}

function stateOf(source: ViewSource): string {
  return source.supervisor()?.state() ?? "STARTING";
}
