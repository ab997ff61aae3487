/** Before the publisher works: waits for PostgreSQL, migrates the schema, writes the settings that SQL callers share with the publisher. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Link } from "@acktor/shared/link/link";
import type { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import { stateOf } from "@acktor/shared/runtime/database-state";
import type { Logger } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";
import type { Prepared } from "@acktor/shared/runtime/supervisor-machine";
import { advanceSequences } from "./outbox/advance-sequences.ts";
import { configureOutbox } from "./outbox/configure-outbox.ts";
import { migrateOutbox } from "./outbox/migrate-outbox.ts";
import type { OutboxIdentity } from "./outbox/outbox-identity.ts";
import { ensurePartitions } from "./outbox/partitions.ts";

const PAUSE_MS = 500;

/** Whether the schema is there. Written by `prepare`. */
export class SchemaState {
  isReady = false;
}

export interface PrepareParts {
  readonly pool: Pool;
  readonly config: PublisherSettings;
  readonly logger: Logger;
  readonly link: Link;
  readonly identity: OutboxIdentity;
  readonly schema: SchemaState;
  readonly database: Pick<DatabaseHealth, "probed">;
}

/** @returns `ok: false` when the publisher cannot work, with what an operator has to do */
export async function prepare(parts: PrepareParts, signal: AbortSignal): Promise<Prepared> {
  const { database, logger, link, schema } = parts;
  for (let isLogged = false; ; isLogged = true) {
    const outcome = await prepareOnce(parts);
    if (outcome.kind === "ready") break;
    if (outcome.kind === "never") return { ok: false, fault: outcome.why };
    const failure = { kind: "unavailable", code: outcome.code, message: outcome.why } as const;
    if (stateOf(failure) !== null) database.probed({ ok: false, failure });
    else if (!isLogged) logger.warn({ reason: outcome.why }, "PostgreSQL is not ready; waiting for it");
    if (!(await pause(PAUSE_MS, signal))) return { ok: false, fault: "stopped while waiting for PostgreSQL" };
  }
  database.probed({ ok: true, rows: [] });
  schema.isReady = true;
  void link.connect();
  return { ok: true };
}

type Preparation =
  | { readonly kind: "ready" }
  /** `code`: of the statement that failed. */
  | { readonly kind: "later" | "never"; readonly why: string; readonly code: string };

async function prepareOnce({ pool, config, identity, logger }: PrepareParts): Promise<Preparation> {
  if (config.ACKTOR_MIGRATE === "on") {
    const migrated = await migrateOutbox(pool);
    if (!migrated.ok) {
      const { kind, message, fix, code } = migrated.failure;
      const isPassing = kind === "unavailable" || kind === "busy";
      return { kind: isPassing ? "later" : "never", why: `${message}. ${fix}`, code };
    }
  }
  const settings = {
    ackPrefix: config.ACKTOR_ACK_PREFIX,
    presencePrefix: config.ACKTOR_PRESENCE_PREFIX,
    defaultTtlMs: config.ACKTOR_DEFAULT_TTL,
    defaultMaxRetries: config.ACKTOR_MAX_RETRIES,
    defaultHoldMs: config.ACKTOR_BROKER_HOLD || null,
    retentionMs: config.ACKTOR_RETENTION,
    destinationLevels: config.ACKTOR_DESTINATION_LEVELS,
  };
  const configured = await configureOutbox(pool, settings);
  if (configured.ok) identity.learn(configured.value.outboxId);
  for (const step of [configured, await advanceSequences(pool, logger), await ensurePartitions(pool)]) {
    if (step.ok) continue;
    const { kind, message, code } = step.failure;
    if (kind !== "rejected" || code === "55P03") return { kind: "later", why: message, code };
    const hint =
      code === "3F000" || code === "42P01" ? " The schema is missing: start once with ACKTOR_MIGRATE=on." : "";
    return { kind: "never", why: `${message}.${hint}`, code };
  }
  return { kind: "ready" };
}
