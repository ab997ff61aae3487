/**
 * The audit that the judge reads: triggers that only tests and the fault lab have. It is installed before the first message,
 * so it sees every change.
 *
 * Invariants:
 *  LAB_AUDIT-1. The ledger of effects has no unique constraint, so that it can show a double effect.
 */
import { fileURLToPath } from "node:url";
import { migrateOutbox } from "@acktor/publisher/outbox/migrate-outbox";
import { migrate } from "@acktor/shared/db/migrate";
import type { Pool } from "@acktor/shared/db/pool";

const ACKER_MIGRATIONS = fileURLToPath(new URL("../../../../services/acker/migrations", import.meta.url));

/** For a database that has both schemas. LAB_AUDIT-1 */
export const AUDIT = `
create schema audit;
create table audit.move (
  seq bigint generated always as identity, at timestamptz not null default clock_timestamp(),
  message_id uuid not null, before text, after text not null);
create table audit.effect (
  seq bigint generated always as identity, at timestamptz not null default clock_timestamp(), message_id uuid not null);
create function audit.note_insert() returns trigger language plpgsql as $$
begin insert into audit.move (message_id, after) values (new.message_id, new.state); return null; end $$;
create function audit.note_move() returns trigger language plpgsql as $$
begin insert into audit.move (message_id, before, after) values (new.message_id, old.state, new.state); return null; end $$;
create function audit.note_effect() returns trigger language plpgsql as $$
begin insert into audit.effect (message_id) values (new.message_id); return null; end $$;
create trigger audit_insert after insert on publisher.message_delivery for each row execute function audit.note_insert();
create trigger audit_move after update on publisher.message_delivery
  for each row when (old.state is distinct from new.state) execute function audit.note_move();
create trigger audit_effect after insert on acker.inbox
  for each row when (new.status = 'processed') execute function audit.note_effect();
create trigger audit_late_effect after update on acker.inbox
  for each row when (new.status = 'processed' and old.status is distinct from 'processed') execute function audit.note_effect();
`;

/** Makes both schemas and installs the audit; call it before a service starts. */
export async function installAudit(pool: Pool): Promise<void> {
  for (const made of [
    await migrateOutbox(pool),
    await migrate(pool, { schema: "acker", directory: ACKER_MIGRATIONS }),
  ]) {
    if (!made.ok) throw new Error(`${made.failure.kind}: ${made.failure.message}`);
  }
  const installed = await pool.run(AUDIT, [], { simple: true });
  if (!installed.ok) throw new Error(`audit: ${installed.failure.message}`);
}
