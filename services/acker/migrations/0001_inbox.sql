-- The inbox: one row per message, whatever arrives how often. It is what makes an effect happen once.
--
-- Invariants, kept by the database itself:
--  1. message_id is the key. An id that is no UUID is hashed to one (it begins with f, so it lies in the default
--     partition) and stands as given in external_id.
--  2. received -> processed | rejected; rejected -> received (a replay of the outbox); processed is never left.
--  3. What was received under an id never changes: topic, content and checksum are written once.
--  4. A row leaves no earlier than the window after it was received: by its day's partition, or in batches from the
--     default partition.

create schema if not exists acker;

create table acker.inbox (
  message_id uuid not null,
  external_id text,
  topic text not null,
  content text not null,
  content_encoding text not null default 'utf8' check (content_encoding in ('utf8', 'base64')),
  content_type text,
  -- Over the content's bytes; computed here when the sender gave none, so that other content under the id shows.
  -- Not by a regular expression: `~ '^sha256:[0-9a-f]{64}$'` doubled the insert (37 -> 71 ms per 1,000 rows).
  checksum text not null check (octet_length(checksum) = 71 and starts_with(checksum, 'sha256:')),
  received_at timestamptz not null default now(),
  deliveries integer not null default 1 check (deliveries > 0),
  status text not null,
  reason text,
  processed_at timestamptz,
  -- Only for handlers that work after the row: until then it belongs to lease_owner, afterwards to the next delivery.
  lease_until timestamptz,
  lease_owner text,
  -- Of the delivery that was handled last.
  attempt_token text,
  retry_count integer not null default 0,
  primary key (message_id),
  constraint inbox_status check (status in ('received', 'processed', 'rejected')),
  constraint inbox_processed_at check ((status = 'processed') = (processed_at is not null)),
  constraint inbox_reason check (status <> 'rejected' or reason is not null),
  constraint inbox_lease check (lease_until is null or status = 'received')
) partition by range (message_id);

-- Finds what is old without a cost at insert that could be measured: rows lie in the order in which they came.
create index inbox_received_at on acker.inbox using brin (received_at);

create table acker.inbox_default partition of acker.inbox default;

create function acker.refuse_inbox_change() returns trigger language plpgsql as $$
begin
  raise exception 'acker.inbox: % of % may not change from % to %', tg_argv[0], old.message_id, old.status, new.status
    using errcode = '23514', constraint = 'inbox_legal_moves',
          hint = 'received -> processed | rejected, rejected -> received; what was received is never rewritten.';
end $$;

create trigger inbox_status_guard before update of status on acker.inbox for each row
  when (old.status is distinct from new.status and (old.status, new.status) not in
    (('received', 'processed'), ('received', 'rejected'), ('rejected', 'received')))
  execute function acker.refuse_inbox_change('status');

create trigger inbox_content_guard before update of message_id, topic, content, content_encoding, checksum on acker.inbox
  for each row
  when ((old.message_id, old.topic, old.content, old.content_encoding, old.checksum) is distinct from
        (new.message_id, new.topic, new.content, new.content_encoding, new.checksum))
  execute function acker.refuse_inbox_change('content');

-- The least UUIDv7 of a moment: 48 bits of milliseconds, then zeros.
create function acker.uuid_from(moment timestamptz) returns uuid language sql immutable strict as $$
  select (substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-0000-0000-000000000000')::uuid
  from (select lpad(to_hex(floor(extract(epoch from moment) * 1000)::bigint), 12, '0') as hex) h
$$;

-- Makes the partitions of yesterday up to `ahead` days from now (UTC); returns how many were made.
-- A day whose rows lie in the default partition already (a clock far ahead, or days without an acker) is left there:
-- it works the same and is emptied in batches.
create function acker.ensure_inbox_partitions(ahead integer) returns integer language plpgsql
  set lock_timeout = '100ms' as $$
declare
  day timestamptz;
  name text;
  made integer := 0;
begin
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

-- Drops the oldest partition whose day ended longer than `keep` ago; returns its name, or null when there is none.
-- Rows of it that were received later than that (a message that took weeks) move to the default partition first; with
-- more than 10,000 of them the partition waits. Locks are taken in the order of every other statement, parent first.
create function acker.drop_old_inbox_partition(keep interval) returns text language plpgsql
  set lock_timeout = '100ms' as $$
declare
  name text;
  late bigint;
begin
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

comment on table acker.inbox is 'One row per message that an acker received: the effect, or the proof that it happened.';
comment on column acker.inbox.deliveries is 'How often it arrived, counted in batches: at least once, approximate after an ambiguous commit.';
