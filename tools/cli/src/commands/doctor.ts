/**
 * `acktor doctor`: checks everything that acktor depends on, and shows a remedy for each fault. It changes nothing.
 *
 * Invariants:
 *  DOCTOR-1. A failed check skips only the checks that depend on it.
 *  DOCTOR-2. Each WARN and FAIL has a fix. The exit code is 1 with a FAIL, else 0.
 */
import type { Pool } from "@acktor/shared/db/pool";
import type { AckerSettings, PublisherSettings } from "@acktor/shared/runtime/settings";
import type { Style } from "@acktor/shared/runtime/terminal-door";
import type { ApiResult } from "../api/api.ts";
import { type Check, worst } from "../doctor/check.ts";
import { checkDisk } from "../doctor/check-disk.ts";
import { checkService } from "../doctor/check-service.ts";
import { findServers, type Servers } from "../doctor/find-servers.ts";
import type { Heard } from "../doctor/heard-topics.ts";
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
  { config, acker, hasDatabase, hasBroker, brokerIsReported }: Servers,
  status: ApiResult<ServiceStatus>,
  listenMs: number,
): Promise<Check[]> {
  if (config === null) return [];
  const [{ createPool }, { connectionOptions }, database, { checkBroker }, { checkNats }, { checkCertificate }] =
    await Promise.all([
      import("@acktor/shared/db/pool"),
      import("@acktor/shared/db/connector"),
      import("../doctor/check-database.ts"),
      import("../doctor/check-broker.ts"),
      import("../doctor/check-nats.ts"),
      import("../doctor/check-certificate.ts"),
    ]);
  const pool = createPool({ ...connectionOptions(config, "acktor-doctor"), size: 1 });
  try {
    const ofDatabase = hasDatabase ? await database.checkDatabase(session, pool, config) : [];
    const serviceIsConnected = brokerIsReported && status.ok && status.value.connection.state === "CONNECTED";
    const broker = hasBroker
      ? await checkBroker(session, config, listenMs, serviceIsConnected)
      : { checks: [], heard: null };
    // DOCTOR-1
    const canAsk = hasDatabase && ofDatabase.every(({ check, verdict }) => check !== "postgres" || verdict !== "FAIL");
    const ofAcks = await judgeAcks(session, broker.heard, status, canAsk ? pool : null, config);
    const ofAcker = acker === null || broker.heard === null ? [] : [await checkAckerAccess(session, acker)];
    const certificate = hasBroker ? checkCertificate(session.texts, config.MQTT_CERT, Date.now()) : null;
    const nats = config.NATS_URL === null ? [] : [await checkNats(session, config.NATS_URL, config.NATS_CA)];
    return [...ofDatabase, ...listed(certificate), ...broker.checks, ...ofAcks, ...ofAcker, ...nats];
  } finally {
    await pool.stop();
  }
}

async function checkAckerAccess(session: Session, config: AckerSettings): Promise<Check> {
  return (await import("../doctor/check-acker.ts")).checkAcker(session, config);
}

/** @param pool null if the database cannot be asked */
async function judgeAcks(
  session: Session,
  heard: Heard | null,
  status: ApiResult<ServiceStatus>,
  pool: Pool | null,
  config: PublisherSettings,
): Promise<Check[]> {
  const acks = await import("../doctor/check-acks.ts");
  const counters = new acks.Counters(status.ok ? status.value : null);
  const counted = listed(acks.judgeCounted(session, counters));
  if (heard === null) return counted;
  const ackers = listed(acks.judgeAckers(session, heard, counters, config.ACKTOR_PRESENCE === "on"));
  if (pool === null) return [...counted, ...ackers];
  const { unknownIds } = await import("../doctor/check-database.ts");
  const { ACKTOR_ACK_PREFIX: prefix } = config;
  const candidates = [...heard.elsewhere.keys()];
  const [unknown, others] = [await unknownIds(pool, heard.acked), await unknownIds(pool, candidates)];
  const foreign = unknown === null ? [] : [acks.judgeForeign(session, unknown, counters, prefix)];
  const own = others === null ? [] : candidates.filter((id) => !others.includes(id));
  return [...counted, ...foreign, ...listed(acks.judgeElsewhere(session, heard, own, prefix)), ...ackers];
}

function listed(check: Check | null): Check[] {
  return check === null ? [] : [check];
}

const STYLES: Readonly<Record<Check["verdict"], Style>> = { OK: "good", WARN: "warning", FAIL: "bad" };

function describe({ terminal, texts }: Session, { check, verdict, found, fix }: Check): string {
  const line = `${terminal.paint(STYLES[verdict], verdict.padEnd(4))}  ${check}: ${found}`;
  return fix === "" ? line : `${line}\n      ${texts.failures.fix}: ${fix}`;
}
