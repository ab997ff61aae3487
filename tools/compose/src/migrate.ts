/**
 * The one-shot `migrate`: brings both schemas up to date as their owner, then grants each service's role its rights.
 *
 *   node migrate.js publisher=ROLE acker=ROLE
 *
 * For a schema without a role nothing is granted. Exit codes: 0 done, 1 the database refused, 2 wrong usage.
 */

import { fileURLToPath } from "node:url";
import { connectionOptions } from "@acktor/shared/db/connector";
import { grantRights } from "@acktor/shared/db/grant";
import { migrate } from "@acktor/shared/db/migrate";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import { readConfig } from "@acktor/shared/runtime/config";
import { pause } from "@acktor/shared/runtime/pause";
import { knownNames, publisherSettings } from "@acktor/shared/runtime/settings";
import { standardError, standardOutput } from "@acktor/shared/runtime/terminal-door";

const SCHEMAS = ["publisher", "acker"] as const;
const WAIT_MS = 60_000;
const PAUSE_MS = 500;

type Step = { readonly ok: true } | { readonly ok: false; readonly why: string; readonly passing: boolean };

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const roles = new Map(args.map(readRole));
  const { DATABASE_URL, DATABASE_CA, ACKTOR_DATABASE_POOLER } = publisherSettings;
  const read = readConfig({ DATABASE_URL, DATABASE_CA, ACKTOR_DATABASE_POOLER }, process.env, knownNames);
  const unknown = [...roles.keys()].filter((name) => !SCHEMAS.some((schema) => schema === name));
  if (!read.ok || unknown.length > 0) {
    const faults = [
      ...(read.ok ? [] : read.faults),
      ...unknown.map((name) => `${name} is neither publisher nor acker`),
    ];
    standardError.write(`acktor migrate: ${faults.length} fault(s)\n  - ${faults.join("\n  - ")}\n`);
    return 2;
  }
  const pool = createPool({ ...connectionOptions(read.config, "acktor-migrate"), size: 1 });
  try {
    for (const schema of SCHEMAS) {
      const done = await waitFor(() => bringUp(pool, schema, roles.get(schema)));
      if (done.ok) continue;
      standardError.write(`acktor migrate: schema ${schema}: ${done.why}\n`);
      return 1;
    }
    return 0;
  } finally {
    await pool.stop();
  }
}

/** `schema=role`, or the schema alone. */
function readRole(arg: string): readonly [schema: string, role: string | undefined] {
  const [schema = "", role] = arg.split("=");
  return [schema, role];
}

/** Retries while the database is unreachable. */
async function waitFor(step: () => Promise<Step>): Promise<Step> {
  const end = performance.now() + WAIT_MS;
  for (;;) {
    const done = await step();
    if (done.ok || !done.passing || performance.now() > end) return done;
    await pause(PAUSE_MS, new AbortController().signal);
  }
}

async function bringUp(pool: Pool, schema: (typeof SCHEMAS)[number], role: string | undefined): Promise<Step> {
  const service = new URL(`../../../services/${schema}/`, import.meta.url);
  const migrated = await migrate(pool, { schema, directory: fileURLToPath(new URL("migrations", service)) });
  if (!migrated.ok) {
    const { kind, message, fix } = migrated.failure;
    return { ok: false, why: `${message}. ${fix}`, passing: kind === "unavailable" || kind === "busy" };
  }
  const applied = migrated.applied.length === 0 ? "is up to date" : `migrated: ${migrated.applied.join(", ")}`;
  standardOutput.write(`acktor migrate: schema ${schema} ${applied}\n`);
  if (role === undefined) return { ok: true };
  const granted = await grantRights(pool, fileURLToPath(new URL("grants.sql", service)), role);
  if (granted.ok) return { ok: true };
  const { kind, message } = granted.failure;
  return { ok: false, why: `rights of ${role}: ${message}`, passing: kind !== "rejected" };
}
