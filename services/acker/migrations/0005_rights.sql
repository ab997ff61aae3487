-- Who may do what to the inbox. RIGHTS-1, -2 and -6 of the publisher's migration 0011 hold here, too.
--
-- Invariants:
--  RIGHTS-7  Nothing that was received within the last hour, the shortest window of an inbox, leaves it.
--  RIGHTS-8  Ackers keep apart by a lock on a table, which no role without rights on it can take: an advisory lock, which any role
--            may hold, would stop every acker.

-- Has no rows; begin_batch and in_batches lock it.
create table acker.batch_gate (gate boolean);
comment on table acker.batch_gate is 'Locked by acker.begin_batch (exclusive) and acker.in_batches (share). Never has a row.';

-- As in 0001, for forty days at most.
create or replace function acker.ensure_inbox_partitions(ahead integer) returns integer language plpgsql
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
        when check_violation then null; -- its rows are in the default partition: see 0001
        when duplicate_table or invalid_object_definition then null; -- another acker was faster
      end;
    end if;
  end loop;
  return made;
end $$;

create function acker.require_window(keep interval) returns void language plpgsql
  set search_path = pg_catalog, pg_temp as $$
begin
  if keep is null or keep < interval '1 hour' then
    raise exception 'keep % is shorter than an hour', coalesce(keep::text, 'null')
      using errcode = 'invalid_parameter_value', column = 'keep',
        hint = 'The inbox remembers each message for its window (ACKTOR_INBOX_WINDOW), which is an hour at least.';
  end if;
end $$;

-- As in 0001, for windows of an hour and more.
create or replace function acker.drop_old_inbox_partition(keep interval) returns text language plpgsql
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

-- One batch of rows of the default partition that are older than `keep`; returns how many.
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

-- As in 0003, behind the gate. Its rows are written here alone.
create or replace function acker.begin_batch(by_run text, by_lane smallint, ids uuid[], lease interval) returns boolean language plpgsql
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

-- As in 0003, behind the gate, and for no longer than a second.
create or replace function acker.in_batches(ids uuid[], by_run text, own_lane smallint)
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
