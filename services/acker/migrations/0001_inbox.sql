-- The schema `acker`: the inbox. One row per message, however often it arrives. The row is what makes an effect happen once.
-- Order of this file: tables with their indexes, guards (triggers), functions of batches, functions of partitions. The
-- rights of the acker's role: grants.sql.
--
-- Invariants, kept by the database itself:
--  INBOX_ROW-1. message_id is the key. An id that is no UUID is hashed to one (it begins with f, so its row is in the default
--               partition) and is stored as given in external_id.
--  INBOX_ROW-2. received -> processed | rejected; rejected -> received (a replay of the outbox); processed is never left.
--  INBOX_ROW-3. What was received under an id never changes: topic, content and checksum are written once.
--  INBOX_ROW-4. A message is in one batch at most, and it is not in the inbox when a batch takes it; other ackers that receive
--               it meanwhile leave it. Both sides take the lock of batch_gate, then look, with a snapshot of their own: a
--               function's statements have one each.
--  RIGHTS-7. Nothing that was received within the last hour, the shortest period of an inbox, leaves it.
--  RIGHTS-8. Ackers exclude each other by a lock on a table, which no role without rights on it can take: an advisory lock,
--            which any role may hold, would stop every acker.
-- RIGHTS-1, RIGHTS-2 and RIGHTS-6 of services/publisher/migrations/0001_outbox.sql hold here, too.

create schema if not exists acker;

----------------------------------------------------------------------------------------------------------- tables and indexes

create table acker.inbox (
  message_id uuid not null,
  external_id text,
  topic text not null,
  content text not null,
  content_encoding text not null default 'utf8' check (content_encoding in ('utf8', 'base64')),
  content_type text,
  -- Over the content's bytes; computed by the acker when the sender gave none, so that other content under the id shows.
  -- Not by a regular expression: `~ '^sha256:[0-9a-f]{64}$'` doubled the insert (37 -> 71 ms per 1,000 rows).
  checksum text not null check (octet_length(checksum) = 71 and starts_with(checksum, 'sha256:')),
  received_at timestamptz not null default now(),
  deliveries integer not null default 1 check (deliveries > 0),
  status text not null,
  reason text,
  processed_at timestamptz,
  -- Only for handlers that run after the row is written: until then lease_owner handles it, afterwards the next delivery.
  lease_until timestamptz,
  lease_owner text,
  -- Of the delivery that was handled last.
  attempt_token text,
  retry_count integer not null default 0,
  -- How often a lease ended without an outcome, so that a message that kills every process that handles it is rejected in
  -- the end. The first time is a suspicion, because a message that merely waited for its handler loses its lease too; from
  -- then on it counts only when `handling` says that its handler had begun.
  crashes smallint not null default 0,
  handling boolean not null default false,
  primary key (message_id), -- INBOX_ROW-1
  constraint inbox_status check (status in ('received', 'processed', 'rejected')),
  constraint inbox_processed_at check ((status = 'processed') = (processed_at is not null)),
  constraint inbox_reason check (status <> 'rejected' or reason is not null),
  constraint inbox_lease check (lease_until is null or status = 'received')
) partition by range (message_id);

-- Finds what is old, at no measurable cost at insert: rows are stored in the order in which they came.
create index inbox_received_at on acker.inbox using brin (received_at);

create table acker.inbox_default partition of acker.inbox default;

comment on table acker.inbox is 'One row per message that an acker received: the effect, or the proof that it happened.';
comment on column acker.inbox.deliveries is 'How often it arrived, counted in batches: at least once, approximate after an ambiguous commit.';

-- One lease for a batch, so that a message whose handler answers without delay is written once: with its outcome and its
-- effect. While its handlers run, the messages of a batch are in one row of this table instead of `received` rows in the inbox.
-- They leave it in the statement that writes them. A row that outlives its lease was left by a process that died: its
-- messages are suspects, like those whose own lease ended.
--
-- A row is rewritten in place, one for each batch slot (`lane`) of a process: inserts and deletes would leave a table of
-- dead rows, which every batch would have to read.
create table acker.batch_lease (
  run text not null,
  lane smallint not null,
  -- Null: none at present.
  lease_until timestamptz,
  message_ids uuid[] not null,
  -- Its bounds, so that what a crash left long ago costs later batches one comparison.
  least_id uuid,
  most_id uuid,
  primary key (run, lane),
  constraint batch_lease_size check (cardinality(message_ids) <= 1000),
  constraint batch_lease_whole check ((lease_until is null) = (cardinality(message_ids) = 0) and
    (lease_until is null) = (least_id is null) and (lease_until is null) = (most_id is null))
) with (fillfactor = 25);

comment on table acker.batch_lease is 'Messages whose handlers run before their row is written, by process and lane.';

-- Written to after the disk was full, to see whether there is room again: each row takes a page of its own. One row at most.
create table acker.disk_probe (filler text not null) with (fillfactor = 10);
alter table acker.disk_probe alter filler set storage plain;

-- Has no rows; begin_batch and in_batches lock it (RIGHTS-8).
create table acker.batch_gate (gate boolean);
comment on table acker.batch_gate is 'Locked by acker.begin_batch (exclusive) and acker.in_batches (share). Never has a row.';

------------------------------------------------------------------------------------------------------------------------ guards

create function acker.refuse_inbox_change() returns trigger language plpgsql as $$
begin
  raise exception 'acker.inbox: % of % may not change from % to %', tg_argv[0], old.message_id, old.status, new.status
    using errcode = '23514', constraint = 'inbox_legal_moves',
          hint = 'received -> processed | rejected, rejected -> received; what was received is never rewritten.';
end $$;

-- INBOX_ROW-2
create trigger inbox_status_guard before update of status on acker.inbox for each row
  when (old.status is distinct from new.status and (old.status, new.status) not in
    (('received', 'processed'), ('received', 'rejected'), ('rejected', 'received')))
  execute function acker.refuse_inbox_change('status');

-- INBOX_ROW-3
create trigger inbox_content_guard before update of message_id, topic, content, content_encoding, checksum on acker.inbox
  for each row
  when ((old.message_id, old.topic, old.content, old.content_encoding, old.checksum) is distinct from
        (new.message_id, new.topic, new.content, new.content_encoding, new.checksum))
  execute function acker.refuse_inbox_change('content');

-- The end of a statement that carries a handler's effect: rolls all of it back when a lease was lost meanwhile.
create function acker.require_leases(held bigint, wanted integer) returns boolean language plpgsql as $$
begin
  if held = wanted then return true; end if;
  raise exception 'acker: % of % leases are lost; the effect is undone', wanted - held, wanted using errcode = 'ACK01';
end $$;

----------------------------------------------------------------------------------------------------------------------- batches

-- INBOX_ROW-4: Leases a batch, its ids in ascending order. Returns false when one of its messages is in the inbox or in
-- another batch; nothing has changed then. Only this function writes the table's rows. Losing a row with a crash of the
-- server would only free the messages, so the commit waits for no disk. The wait for the lock is short, because one of the
-- ackers that read batches may wait for a row while it holds the lock, and all others would queue behind this call.
create function acker.begin_batch(by_run text, by_lane smallint, ids uuid[], lease interval) returns boolean language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  least_of uuid := ids[1];
  most_of uuid := ids[cardinality(ids)];
begin
  lock table acker.batch_gate in exclusive mode;
  if exists (select from acker.batch_lease b, unnest(b.message_ids) i
             where b.least_id <= most_of and b.most_id >= least_of and (b.run, b.lane) <> (by_run, by_lane) and i = any(ids))
    or exists (select from acker.inbox where message_id = any(ids)) then
    return false;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  insert into acker.batch_lease (run, lane, lease_until, message_ids, least_id, most_id)
  values (by_run, by_lane, now() + lease, ids, least_of, most_of)
  on conflict (run, lane) do update set lease_until = excluded.lease_until, message_ids = excluded.message_ids,
    least_id = excluded.least_id, most_id = excluded.most_id;
  return true;
end $$;

-- INBOX_ROW-4: Which of these messages, in ascending order, are in a batch other than the caller's own. `crashed`: left by
-- another process that died. Waits for the lock for a second at most.
create function acker.in_batches(ids uuid[], by_run text, own_lane smallint)
  returns table (message_id uuid, live boolean, crashed boolean) language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
  least_of uuid := ids[1];
  most_of uuid := ids[cardinality(ids)];
begin
  lock table acker.batch_gate in share mode;
  return query
    select i, bool_or(b.lease_until > now()), bool_or(b.lease_until <= now() and b.run <> by_run)
    from acker.batch_lease b, unnest(b.message_ids) i
    where b.least_id <= most_of and b.most_id >= least_of and (b.run, b.lane) is distinct from (by_run, own_lane) and i = any(ids)
    group by i;
end $$;

-------------------------------------------------------------------------------------------------------------------- partitions

-- The least UUIDv7 of a moment: 48 bits of milliseconds, then zeros.
create function acker.uuid_from(moment timestamptz) returns uuid language sql immutable strict as $$
  select (substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-0000-0000-000000000000')::uuid
  from (select lpad(to_hex(floor(extract(epoch from moment) * 1000)::bigint), 12, '0') as hex) h
$$;

-- Makes the partitions of yesterday up to `ahead` days from now (UTC), forty at most; returns how many were made.
-- A day whose rows are in the default partition already (a clock far ahead, or days without an acker) is left there:
-- it works the same and is emptied in batches.
create function acker.ensure_inbox_partitions(ahead integer) returns integer language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  day timestamptz;
  name text;
  made integer := 0;
begin
  if ahead is null or ahead not between 0 and 40 then
    raise exception 'ahead is not between 0 and 40' using errcode = 'invalid_parameter_value', column = 'ahead',
      hint = 'Each day ahead is a table; rows of later days lie in the default partition.';
  end if;
  for offset_days in -1 .. ahead loop
    day := (date_trunc('day', now() at time zone 'UTC') + make_interval(days => offset_days)) at time zone 'UTC';
    name := 'inbox_' || to_char(day at time zone 'UTC', 'YYYYMMDD');
    if to_regclass('acker.' || name) is null then
      begin
        execute format('create table acker.%I partition of acker.inbox for values from (%L) to (%L)',
          name, acker.uuid_from(day), acker.uuid_from(day + interval '24 hours'));
        made := made + 1;
      exception
        when check_violation then null; -- its rows are in the default partition: see above
        when duplicate_table or invalid_object_definition then null; -- another acker was faster
      end;
    end if;
  end loop;
  return made;
end $$;

-- RIGHTS-7
create function acker.require_window(keep interval) returns void language plpgsql
  set search_path = pg_catalog, pg_temp as $$
begin
  if keep is null or keep < interval '1 hour' then
    raise exception 'keep % is shorter than an hour', coalesce(keep::text, 'null')
      using errcode = 'invalid_parameter_value', column = 'keep',
        hint = 'The inbox remembers each message for its window (ACKTOR_INBOX_WINDOW), which is an hour at least.';
  end if;
end $$;

-- RIGHTS-7: Drops the oldest partition whose day ended longer than `keep` ago; returns its name, or null when there is none.
-- Its rows that were received later than that (a message that took weeks) move to the default partition first; with
-- more than 10,000 of them the partition waits. Locks are taken in the order of every other statement, parent first.
create function acker.drop_old_inbox_partition(keep interval) returns text language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  name text;
  late bigint;
begin
  perform acker.require_window(keep);
  for name in
    select c.relname from pg_inherits h join pg_class c on c.oid = h.inhrelid
    where h.inhparent = 'acker.inbox'::regclass and c.relname ~ '^inbox_[0-9]{8}$'
      and (to_date(substr(c.relname, 7), 'YYYYMMDD') + 1)::timestamp at time zone 'UTC' < now() - keep
    order by c.relname
  loop
    execute format('select count(*) from (select 1 from acker.%I where received_at > now() - $1 limit 10001) late', name)
      into late using keep;
    continue when late > 10000;
    lock table only acker.inbox in access exclusive mode;
    execute format('alter table acker.inbox detach partition acker.%I', name);
    execute format('insert into acker.inbox select * from acker.%I where received_at > now() - $1', name) using keep;
    execute format('drop table acker.%I', name);
    return name;
  end loop;
  return null;
end $$;

-- RIGHTS-7: Deletes one batch of rows of the default partition that are older than `keep`; returns how many.
create function acker.delete_old_rows(keep interval, batch integer) returns integer language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $$
declare
  deleted integer;
begin
  perform acker.require_window(keep);
  with old as materialized (
    select message_id from acker.inbox_default where received_at < now() - keep limit least(batch, 10000) for update skip locked),
  gone as (delete from acker.inbox_default d using old where d.message_id = old.message_id returning 1)
  select count(*) into deleted from gone;
  return deleted;
end $$;
