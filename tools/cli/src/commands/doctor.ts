/**
 * `acktor doctor`: checks everything that acktor depends on, and shows a remedy for each fault. It changes nothing.
 *
 * Invariants:
 *  DOCTOR-1. A failed check skips only the checks that depend on it.
 *  DOCTOR-2. Each WARN and FAIL has a fix. The exit code is 1 with a FAIL, else 0.
 */
import type { Style } from "@acktor/shared/runtime/terminal-door";
import type { ApiResult } from "../api/api.ts";
import { type Check, ok, warn, worst } from "../doctor/check.ts";
import { checkDisk } from "../doctor/check-disk.ts";
import { checkService } from "../doctor/check-service.ts";
import { findServers, type Servers } from "../doctor/find-servers.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Session } from "../session.ts";
import type { ServiceStatus } from "./status.ts";

export interface DoctorOptions {
  /** Milliseconds. */
  readonly listen: number;
}

export async function doctor(session: Session, { listen }: DoctorOptions): Promise<ExitCode> {
  const api = session.api();
  if (!api.ok) return session.fail(api.failure);
  const status = await api.value.get<ServiceStatus>("/v1/status");
  const servers = await findServers(session, status.ok ? status.value : null);
  const checks = [
    checkService(session, status),
    servers.check,
    ...(await checkServers(session, servers, status, listen)),
    await checkDisk(session),
  ];
  if (session.signal.aborted) return EXIT.interrupted;
  const verdict = worst(checks);
  // DOCTOR-2
  const exit = verdict === "FAIL" ? EXIT.failed : EXIT.done;
  const text = (shown: { readonly checks: readonly Check[] }): string =>
    shown.checks.map((check) => describe(session, check)).join("\n");
  return session.answer({ verdict, checks }, text, exit);
}

async function checkServers(
  session: Session,
  { config, hasDatabase, hasBroker, brokerIsReported }: Servers,
  status: ApiResult<ServiceStatus>,
  listenMs: number,
): Promise<Check[]> {
  if (config === null) return [];
  const [{ createPool }, { connectionOptions }, database, { checkBroker }, { checkNats }] = await Promise.all([
    import("@acktor/shared/db/pool"),
    import("@acktor/shared/db/connector"),
    import("../doctor/check-database.ts"),
    import("../doctor/check-broker.ts"),
    import("../doctor/check-nats.ts"),
  ]);
  const pool = createPool({ ...connectionOptions(config, "acktor-doctor"), size: 1 });
  try {
    const ofDatabase = hasDatabase ? await database.checkDatabase(session, pool, config) : [];
    const serviceIsConnected = brokerIsReported && status.ok && status.value.connection.state === "CONNECTED";
    const broker = hasBroker
      ? await checkBroker(session, config, listenMs, serviceIsConnected)
      : { checks: [], ackedIds: null };
    // DOCTOR-1
    const canAsk = hasDatabase && ofDatabase.every(({ check, verdict }) => check !== "postgres" || verdict !== "FAIL");
    const acked = canAsk ? broker.ackedIds : null;
    const unknown = acked === null ? null : await database.unknownIds(pool, acked);
    const foreign =
      unknown === null ? [] : [judgeForeign(session, unknown, countedBy(status), config.ACKTOR_ACK_PREFIX)];
    const nats = config.NATS_URL === null ? [] : [await checkNats(session, config.NATS_URL, config.NATS_CA)];
    return [...ofDatabase, ...broker.checks, ...foreign, ...nats];
  } finally {
    await pool.stop();
  }
}

/** How many acks for unknown ids the running publisher has counted. */
function countedBy(status: ApiResult<ServiceStatus>): number {
  const acks = status.ok ? (status.value["acks"] as { unknown?: unknown } | undefined) : undefined;
  return typeof acks?.unknown === "number" ? acks.unknown : 0;
}

function judgeForeign({ texts }: Session, unknown: readonly string[], counted: number, prefix: string): Check {
  const { doctor: t } = texts;
  const data = { heard: unknown.length, counted, example: unknown[0] ?? null };
  if (unknown.length === 0 && counted === 0) return ok("foreign acks", t.noForeign(prefix), data);
  return warn("foreign acks", t.foreign(prefix, unknown.length, counted), t.foreignFix, data);
}

const STYLES: Readonly<Record<Check["verdict"], Style>> = { OK: "good", WARN: "warning", FAIL: "bad" };

function describe({ terminal, texts }: Session, { check, verdict, found, fix }: Check): string {
  const line = `${terminal.paint(STYLES[verdict], verdict.padEnd(4))}  ${check}: ${found}`;
  return fix === "" ? line : `${line}\n      ${texts.failures.fix}: ${fix}`;
}
