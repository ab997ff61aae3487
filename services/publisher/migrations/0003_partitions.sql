-- Days of message_delivery, further_acknowledgment and delivery_attempt. One call makes or drops one day, because the
-- locks last until its statement ends. What has no partition yet (a sender whose clock is days wrong) falls into the
-- default partition, and moves to its day when that is made.

-- The smallest id of a (UTC) day.
create function publisher.day_bound(day date) returns uuid language sql immutable parallel safe as $$
  select (lpad(to_hex((extract(epoch from day::timestamp) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- The smallest id of a moment.
create function publisher.uuid_at(at timestamptz) returns uuid language sql immutable parallel safe as $$
  select (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Days (UTC) that have a partition of message_delivery.
create function publisher.partition_days() returns setof date language sql stable as $$
  select to_date(right(c.relname, 8), 'YYYYMMDD')
  from pg_inherits i join pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'publisher.message_delivery'::regclass and c.relname ~ '^message_delivery_\d{8}$'
$$;

-- Makes one day of the three tables. Waits for locks 100 ms at most (55P03 then: try again later).
-- Attaching checks the default partition under an exclusive lock; rows of the day that wait there move first.
create function publisher.create_partition(day date) returns void language plpgsql
  set lock_timeout = '100ms' as $$
declare
  base text;
  part text;
  columns text;
  lower_bound uuid := publisher.day_bound(day);
  upper_bound uuid := publisher.day_bound(day + 1);
begin
  perform pg_advisory_xact_lock(7, hashtext('publisher.partitions'));
  foreach base in array array['message_delivery', 'further_acknowledgment', 'delivery_attempt'] loop
    part := base || to_char(day, '_YYYYMMDD');
    continue when to_regclass('publisher.' || part) is not null;
    execute format('create table publisher.%I (like publisher.%I including defaults including generated including constraints including indexes)',
      part, base);
    execute format('alter table publisher.%I add check (message_id >= %L and message_id < %L)', part, lower_bound, upper_bound);
    if base = 'message_delivery' then
      -- Half of each page stays free for updates of the same row; vacuum early, because live rows are few and hot.
      execute format('alter table publisher.%I set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02,'
        ' autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0.1)', part);
    end if;
    execute format('lock table only publisher.%I in access exclusive mode', base || '_default');
    select string_agg(quote_ident(attname), ', ' order by attnum) into columns from pg_attribute
      where attrelid = ('publisher.' || part)::regclass and attnum > 0 and not attisdropped and attgenerated = '';
    execute format('with moved as (delete from publisher.%I where message_id >= %L and message_id < %L returning *)'
      ' insert into publisher.%I (%s) select %s from moved', base || '_default', lower_bound, upper_bound, part, columns, columns);
    execute format('alter table publisher.%I attach partition publisher.%I for values from (%L) to (%L)',
      base, part, lower_bound, upper_bound);
  end loop;
end $$;

-- Drops one day of the three tables unless a live row is left in it. Idempotency keys that outlive their rows keep the
-- state in which those ended. Returns whether it was dropped.
create function publisher.drop_partition(day date) returns boolean language plpgsql
  set lock_timeout = '100ms' as $$
declare
  base text;
  live boolean;
  part text := 'message_delivery' || to_char(day, '_YYYYMMDD');
begin
  perform pg_advisory_xact_lock(7, hashtext('publisher.partitions'));
  if to_regclass('publisher.' || part) is null then return false; end if;
  execute format('select exists (select from publisher.%I where coalesce(due_at, due_at) is not null)', part) into live;
  if live then return false; end if;
  execute format('lock table publisher.%I in share row exclusive mode', part);
  execute format('select exists (select from publisher.%I where coalesce(due_at, due_at) is not null)', part) into live;
  if live then return false; end if;
  execute format('update publisher.idempotency i set final_state = m.state from publisher.%I m'
    ' where m.message_id = i.message_id and i.message_id >= %L and i.message_id < %L and i.expires_at > now()',
    part, publisher.day_bound(day), publisher.day_bound(day + 1));
  execute format('insert into publisher.tally (state, messages, retries) select state, count(*), sum(retry_count)'
    ' from publisher.%I where state in (''failed'', ''expired'') group by state', part);
  foreach base in array array['delivery_attempt', 'further_acknowledgment', 'message_delivery'] loop
    execute format('drop table if exists publisher.%I', base || to_char(day, '_YYYYMMDD'));
  end loop;
  return true;
end $$;

select publisher.create_partition(d::date)
from generate_series((now() at time zone 'UTC')::date - 1, (now() at time zone 'UTC')::date + 3, interval '1 day') d;
