-- Who may do what to the outbox, and which values a row may have, by any role.
--
-- Invariants:
--  RIGHTS-1  A function that works with its owner's rights (SECURITY DEFINER) has the fixed search_path `pg_catalog, pg_temp`, and
--            every other name in it is qualified. `npm run check` reads this file for it.
--  RIGHTS-2  PUBLIC may execute no function of the schema: the migration runner revokes it in the transaction of each file.
--  RIGHTS-3  An application needs `usage` on the schema and `execute` on publisher.enqueue, publisher.fence and
--            publisher.message_state: no table, no sequence, no other function.
--  RIGHTS-4  Nothing of the retention is deleted: neither by drop_partition nor by delete_stragglers; the audit's last 90 days
--            (or the last day, beyond 100,000 lines) not by purge_actions.
--  RIGHTS-5  A message is born with the engine's columns untouched, and no update brings a value into them that the engine's
--            own arithmetic would fail at: times lie between 1970 and 2200, lease_token rises by one, attempts by little.
--  RIGHTS-6  A lock that a stranger can take is waited for with a bound, and the error names its holder. Locks that no stranger
--            needs lie on tables, which only those with rights on them can lock.

-- Who sent it: `sql:<session_user>` for publisher.enqueue.
alter table publisher.message_delivery add column if not exists sender text collate "C";

-- The engine multiplies and adds these.
alter table publisher.destination
  add constraint destination_is_sane check (pause_ms between 0 and 3600000 and misses between 0 and 1000000000 and isfinite(probe_at));

------------------------------------------------------------------------------------------------ values at birth and afterwards

create or replace function publisher.refuse_birth() returns trigger language plpgsql as $$
declare
  born jsonb := to_jsonb(new);
  unset text;
  field text;
  problem text;
begin
  if new.state <> 'pending' then
    raise exception 'a message is born pending, not %', new.state
      using errcode = 'check_violation', constraint = 'born_pending', table = 'message_delivery', schema = 'publisher',
        column = 'state', detail = format('message_id %s', new.message_id);
  end if;
  select name into unset from unnest(string_to_array(tg_argv[0], ' ')) name where born ->> name is not null limit 1;
  select f, p into field, problem from (values
    (1, 'attempts', case when new.attempts <> 0 then 'is not 0' end),
    (2, 'lease_token', case when new.lease_token <> case when new.lease_owner is null then 0 else 1 end
      then 'is neither 0 nor, with a lease_owner, 1' end),
    (3, 'seq', case when new.seq not between 1 and coalesce(pg_sequence_last_value('publisher.message_seq'), 0)
      or new.seq <> currval('publisher.message_seq') then 'was not drawn from publisher.message_seq for this row' end),
    (4, 'parked', case when new.parked then 'is true' end),
    (5, 'late', case when new.late then 'is true' end),
    (6, 'created_at', case when new.created_at not between now() - interval '1 day' and clock_timestamp() + interval '1 minute'
      then 'is not the time of its birth' end),
    (7, 'updated_at', case when new.updated_at <> new.created_at then 'is not created_at' end),
    (8, 'due_at', case when new.due_at not between '1970-01-01Z' and '2200-01-01Z' then 'is not a time between 1970 and 2200' end),
    (9, 'lease_owner', case when octet_length(new.lease_owner) > 1024 then 'has more than 1024 bytes' end),
    -- What is no UUIDv7 is refused by content_is_valid.
    (10, 'message_id', case when get_byte(uuid_send(new.message_id), 6) >> 4 = 7
      and abs((get_byte(uuid_send(new.message_id), 0) << 8) + get_byte(uuid_send(new.message_id), 1) - date_part('epoch', now()) / 4294967.296) >= 8
      then 'names a time that is more than a year away: set the clock of the sender' end),
    (11, unset, case when unset is not null then 'is not null' end)
  ) faults(place, f, p) where p is not null order by place limit 1;
  if problem is null then return new; end if;
  raise exception '% % when a message is born', field, problem
    using errcode = 'check_violation', constraint = 'born_pending', column = field, table = 'message_delivery', schema = 'publisher',
      detail = format('message_id %s', new.message_id),
      hint = 'Leave the column out, the engine writes it; or call publisher.enqueue.';
end $$;

-- Columns that are null until something happens to the message come from the catalog, so that one that an earlier file added is
-- among them. One call of num_nonnulls instead of ten comparisons: each statement reads the conditions of its triggers, node by
-- node. It costs an insert 90 µs a statement and 0.5 µs a row. `seq` has to be what this very row drew: with the highest of all numbers a retained message would supersede all later ones.
do $birth$
declare
  untouched text[];
begin
  select array_agg(quote_ident(attname) order by attnum) into untouched from pg_catalog.pg_attribute
  where attrelid = 'publisher.message_delivery'::pg_catalog.regclass and attnum > 0 and not attisdropped and not attnotnull
    and attgenerated = '' and attname not in ('content_type', 'max_retries', 'ttl_ms', 'deliver_at', 'expires_at', 'ordering_key',
      'traceparent', 'tracestate', 'sender', 'due_at', 'lease_owner');
  drop trigger born_pending on publisher.message_delivery;
  execute format($trigger$
    create trigger born_pending before insert on publisher.message_delivery for each row when (not (
      new.state = 'pending' and new.attempts = 0 and not new.parked and not new.late
      and num_nonnulls(new.%1$s) = 0
      and new.lease_token = case when new.lease_owner is null then 0 else 1 end
      and new.created_at between now() - interval '1 day' and clock_timestamp() + interval '1 minute'
      and new.updated_at = new.created_at
      and new.due_at between '1970-01-01Z' and '2200-01-01Z'
      and (new.lease_owner is null or octet_length(new.lease_owner) <= 1024)
      -- The first 16 bits of the id count 49.7 days; an id of the far future would keep its row for ever.
      and abs((get_byte(uuid_send(new.message_id), 0) << 8) + get_byte(uuid_send(new.message_id), 1) - date_part('epoch', now()) / 4294967.296) < 8
      and new.seq between 1 and coalesce(pg_sequence_last_value('publisher.message_seq'), 0)
      and new.seq = currval('publisher.message_seq')))
    execute function publisher.refuse_birth(%2$L)$trigger$,
    array_to_string(untouched, ', new.'), array_to_string(untouched, ' '));
end $birth$;

create or replace function publisher.refuse_content() returns trigger language plpgsql as $$
declare
  field text;
  problem text;
  out_of_range constant text := 'is not a time between 1970 and 2200';
begin
  select f, p into field, problem from (values
    (1, 'topic', publisher.topic_fault(new.topic)),
    (2, 'message_id', case when get_byte(uuid_send(new.message_id), 6) >> 4 <> 7 then 'is not a UUIDv7' end),
    (3, 'content_encoding', case when new.content_encoding not in ('utf8', 'base64') then 'is neither utf8 nor base64' end),
    (4, 'payload', case when publisher.content_bytes(new.payload, new.content_encoding) > 262144 then 'is larger than 262144 bytes' end),
    (5, 'qos', case when new.qos not between 0 and 2 then 'is not 0, 1 or 2' end),
    (6, 'requires_ack', case when not new.requires_ack and new.qos = 0 then 'is false with qos 0, which nothing would ever answer' end),
    (7, 'checksum', case when new.checksum !~ '^sha256:[0-9a-f]{64}$' then 'is not sha256:<hex>' end),
    (8, 'ordering_key', case when octet_length(new.ordering_key) not between 1 and 1024 then 'has not 1 to 1024 bytes' end),
    (9, 'deliver_at', case when new.deliver_at is not null and new.ordering_key is not null then 'cannot be combined with ordering_key' end),
    (10, 'ttl_ms', case when new.ttl_ms <= 0 then 'is not above 0' when new.ttl_ms > 3155760000000 then 'is longer than a century' end),
    (11, 'max_retries', case when new.max_retries < 0 then 'is negative' when new.max_retries > 1000000 then 'is above 1000000' end),
    (12, 'deliver_at', case when new.deliver_at not between '1970-01-01Z' and '2200-01-01Z' then out_of_range end),
    (13, 'expires_at', case when new.expires_at not between '1970-01-01Z' and '2200-01-01Z' then out_of_range end),
    (14, 'created_at', case when new.created_at not between '1970-01-01Z' and '2200-01-01Z' then out_of_range end),
    (15, 'content_type', case when octet_length(new.content_type) > 1024 then 'has more than 1024 bytes' end),
    (16, 'traceparent', case when octet_length(new.traceparent) > 256 then 'has more than 256 bytes' end),
    (17, 'tracestate', case when octet_length(new.tracestate) > 2048 then 'has more than 2048 bytes' end),
    (18, 'sender', case when octet_length(new.sender) > 1024 then 'has more than 1024 bytes' end)
  ) faults(place, f, p) where p is not null order by place limit 1;
  raise exception '% %', coalesce(field, 'message'), coalesce(problem, 'is not valid')
    using errcode = 'check_violation', constraint = 'content_is_valid', column = field, table = 'message_delivery', schema = 'publisher',
      detail = format('message_id %s', new.message_id);
end $$;

-- As in 0002, and what only a birth or a replay writes. `least` and `greatest` pass over nulls.
drop trigger content_is_valid on publisher.message_delivery;
create trigger content_is_valid
  before insert or update of message_id, topic, payload, content_encoding, content_type, qos, requires_ack, checksum, ordering_key,
    deliver_at, expires_at, created_at, ttl_ms, max_retries, traceparent, tracestate, sender
  on publisher.message_delivery for each row when (not (
    new.topic ~ '^[^$+#\u0001-\u001f\u007f-\u009f][^+#\u0001-\u001f\u007f-\u009f]*$'
    and (octet_length(new.topic) < 100 or publisher.topic_fault(new.topic) is null)
    and get_byte(uuid_send(new.message_id), 6) >> 4 = 7
    and new.content_encoding in ('utf8', 'base64')
    and (octet_length(new.payload) <= 262144 or publisher.content_bytes(new.payload, new.content_encoding) <= 262144)
    and new.qos between 0 and 2
    and (new.requires_ack or new.qos > 0)
    and octet_length(new.checksum) = 71 and starts_with(new.checksum, 'sha256:') and octet_length(decode(right(new.checksum, 64), 'hex')) = 32
    and (new.ordering_key is null or octet_length(new.ordering_key) between 1 and 1024 and new.deliver_at is null)
    and (new.ttl_ms is null or new.ttl_ms between 1 and 3155760000000)
    and (new.max_retries is null or new.max_retries between 0 and 1000000)
    and least(new.created_at, new.deliver_at, new.expires_at) >= '1970-01-01Z'
    and greatest(new.created_at, new.deliver_at, new.expires_at) <= '2200-01-01Z'
    and (new.content_type is null or octet_length(new.content_type) <= 1024)
    and (new.traceparent is null or octet_length(new.traceparent) <= 256)
    and (new.tracestate is null or octet_length(new.tracestate) <= 2048)
    and (new.sender is null or octet_length(new.sender) <= 1024)))
  execute function publisher.refuse_content();

create function publisher.refuse_engine_value() returns trigger language plpgsql as $$
declare
  field text;
  problem text;
  out_of_range constant text := 'is not a time between 1970 and 2200';
begin
  select f, p into field, problem from (values
    (1, 'lease_token', case when new.lease_token not between old.lease_token and old.lease_token + 1 then 'does not rise by one' end),
    (2, 'attempts', case when new.attempts < 0 then 'is negative' when new.attempts - 1000000 > old.attempts then 'rises by more than 1000000' end),
    (3, 'seq', case when new.seq <> old.seq then 'was not drawn from publisher.message_seq for this row' end),
    (4, 'due_at', case when new.due_at not between '1970-01-01Z' and '2200-01-01Z' then out_of_range end),
    (5, 'updated_at', case when new.updated_at not between '1970-01-01Z' and '2200-01-01Z' then out_of_range end),
    (6, 'sent_at', case when new.sent_at not between '1970-01-01Z' and '2200-01-01Z' then out_of_range end),
    (7, 'acknowledged_at', case when new.acknowledged_at not between '1970-01-01Z' and '2200-01-01Z' then out_of_range end),
    (8, 'discarded_at', case when new.discarded_at not between '1970-01-01Z' and '2200-01-01Z' then out_of_range end),
    (9, 'last_outcome', case when new.last_outcome not in ('acked', 'lost', 'refused', 'rejected')
      then 'is not acked, lost, refused or rejected' end),
    (10, 'reason', case when octet_length(new.reason) > 16384 then 'has more than 16384 bytes' end)
  ) faults(place, f, p) where p is not null order by place limit 1;
  raise exception '% %', coalesce(field, 'message'), coalesce(problem, 'is not valid')
    using errcode = 'check_violation', constraint = 'engine_columns', column = field, table = 'message_delivery', schema = 'publisher',
      detail = format('message_id %s', old.message_id), hint = 'Only the publisher writes these columns.';
end $$;

-- Every claim and settle evaluates this one, so it is short: two comparisons for all times, and only what makes the engine's own
-- statements fail (a token at the end of bigint ended every claim with 22003; an outcome that delivery_attempt refuses ended
-- every batch of attempts). It costs 85 µs a statement and 0.2 µs a row. `new - 1 <= old`, because `old + 1` overflows where it matters.
create trigger engine_columns
  before update of due_at, updated_at, attempts, seq, lease_token, sent_at, last_outcome, acknowledged_at, discarded_at, reason
  on publisher.message_delivery for each row when (not (
    least(new.due_at, new.updated_at, new.sent_at, new.acknowledged_at, new.discarded_at) >= '1970-01-01Z'
    and greatest(new.due_at, new.updated_at, new.sent_at, new.acknowledged_at, new.discarded_at) <= '2200-01-01Z'
    and new.lease_token >= old.lease_token and new.lease_token - 1 <= old.lease_token
    and new.attempts >= 0 and new.attempts - 1000000 <= old.attempts
    and (new.seq = old.seq or new.seq = currval('publisher.message_seq'))
    and (new.last_outcome is null or new.last_outcome in ('acked', 'lost', 'refused', 'rejected'))
    and (new.reason is null or octet_length(new.reason) <= 16384)))
  execute function publisher.refuse_engine_value();

------------------------------------------------------------------------------------------------------------- locks of lanes

-- Who holds an advisory lock, for people.
create function publisher.lock_holder(key bigint) returns text language sql volatile set search_path = pg_catalog, pg_temp as $$
  select coalesce(string_agg(case when l.pid is null then 'a prepared transaction (see pg_prepared_xacts)'
    else format('pid %s (user %s, application %s)', l.pid, coalesce(a.usename, '?'), coalesce(nullif(a.application_name, ''), '?')) end, ', '),
    'a transaction that has just ended')
  from pg_locks l left join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.pid is distinct from pg_backend_pid()
    and l.database = (select oid from pg_database where datname = current_database())
    and l.classid = ((key >> 32) & 4294967295)::oid and l.objid = (key & 4294967295)::oid
$$;

-- Waits for one lane. The limit is set on the function, so that it ends with it.
create function publisher.wait_for_lane(lane text, key bigint, most interval) returns void language plpgsql volatile
  set search_path = pg_catalog, pg_temp set lock_timeout = 0 as $$
begin
  perform set_config('lock_timeout', greatest(1, floor(extract(epoch from most) * 1000))::text, true);
  perform pg_advisory_xact_lock(key);
exception when lock_not_available then
  raise exception '% is locked by %; waited % ms',
    case when lane like 'k:%' then format('the ordering_key "%s"', left(substr(lane, 3), 200)) else 'the retained value of this topic' end,
    publisher.lock_holder(key), floor(extract(epoch from most) * 1000)
    using errcode = 'lock_not_available', constraint = lane,
      hint = 'Only one transaction at a time writes to an ordering key. Try again; if it stays locked, end the transaction that holds it '
        '(pg_terminate_backend with its pid; rollback prepared where it is a prepared transaction).';
end $$;

-- As in 0004, with a limit, and with keys that follow from this outbox's id, so that no stranger takes them by chance or by
-- reading this file. What can be had at once is taken without a subtransaction. The caller's own lock_timeout holds where it
-- is shorter. The default lets the publisher's intake, which answers within 1.7 s, wait for three locked lanes of a group.
drop function publisher.lock_lanes(text[]);
create function publisher.lock_lanes(lanes text[], most interval default '500 milliseconds') returns boolean language plpgsql volatile
  set search_path = pg_catalog, pg_temp as $$
declare
  own interval := current_setting('lock_timeout')::interval;
  one record;
begin
  for one in
    select hashtextextended(lane, o.seed) key, min(lane) lane
    from unnest(lanes) lane cross join (select hashtextextended(outbox_id::text, 0) seed from publisher.outbox) o
    where lane is not null group by 1 order by 1
  loop
    if not pg_try_advisory_xact_lock(one.key) then
      perform publisher.wait_for_lane(one.lane, one.key, case when own > interval '0' then least(own, most) else most end);
    end if;
  end loop;
  return true;
end $$;

-------------------------------------------------------------------------------------------------- what an application may call

create or replace function publisher.fence() returns text language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  select pg_backend_pid() || ':' || pg_current_xact_id()
$$;

-- As in 0004, with its owner's rights: the caller needs none on a table. Errors: 22023 with the parameter's name in COLUMN; 55P03 when
-- the lane stays locked for ten seconds.
create or replace function publisher.enqueue(
  topic text,
  content text,
  content_encoding text default 'utf8',
  content_type text default null,
  qos integer default 1,
  retain boolean default false,
  requires_ack boolean default true,
  ttl_seconds double precision default null,
  max_retries integer default null,
  ordering_key text default null,
  deliver_at timestamptz default null,
  traceparent text default null,
  fence text default null
) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  settings publisher.outbox;
  fault text;
  bytes bytea;
  ttl_ms bigint;
  born timestamptz;
  id uuid;
begin
  if fence is not null and fence is distinct from publisher.fence() then
    perform publisher.refuse_field('fence', 'belongs to another transaction',
      'The connection was lost and this statement runs outside the transaction it belongs to: start the transaction again.');
  end if;
  fault := publisher.topic_fault(topic);
  if fault is not null then perform publisher.refuse_field('topic', fault); end if;
  if content is null then perform publisher.refuse_field('content', 'is null'); end if;
  if content_encoding is null or content_encoding not in ('utf8', 'base64') then
    perform publisher.refuse_field('content_encoding', 'is neither utf8 nor base64');
  end if;
  if octet_length(content) > 400000 then perform publisher.refuse_field('content', 'is larger than 262144 bytes'); end if;
  if content_encoding = 'utf8' then
    bytes := convert_to(content, 'UTF8');
  else
    begin
      bytes := decode(content, 'base64');
    exception when invalid_parameter_value then
      perform publisher.refuse_field('content', 'is not base64');
    end;
    -- decode() passes over blanks; receivers need not.
    if translate(encode(bytes, 'base64'), E'\n', '') <> content then
      perform publisher.refuse_field('content', 'is not base64 without blanks');
    end if;
  end if;
  if octet_length(bytes) > 262144 then perform publisher.refuse_field('content', 'is larger than 262144 bytes'); end if;
  if octet_length(content_type) > 1024 then perform publisher.refuse_field('content_type', 'has more than 1024 bytes'); end if;
  if octet_length(traceparent) > 256 then perform publisher.refuse_field('traceparent', 'has more than 256 bytes'); end if;
  if qos is null or qos not between 0 and 2 then perform publisher.refuse_field('qos', 'is not 0, 1 or 2'); end if;
  if retain is null then perform publisher.refuse_field('retain', 'is null'); end if;
  if requires_ack is null then perform publisher.refuse_field('requires_ack', 'is null'); end if;
  if not requires_ack and qos = 0 then
    perform publisher.refuse_field('requires_ack', 'is false with qos 0', 'Nothing would ever answer: use qos 1, or let a receiver acknowledge.');
  end if;
  if ordering_key is not null and octet_length(ordering_key) not between 1 and 1024 then
    perform publisher.refuse_field('ordering_key', 'has not 1 to 1024 bytes');
  end if;
  if ordering_key is not null and deliver_at is not null then
    perform publisher.refuse_field('deliver_at', 'cannot be combined with ordering_key');
  end if;
  if deliver_at not between '1970-01-01Z' and '2199-01-01Z' then
    perform publisher.refuse_field('deliver_at', 'is not a time between 1970 and 2199');
  end if;
  if max_retries not between 0 and 1000000 then
    perform publisher.refuse_field('max_retries', case when max_retries < 0 then 'is negative' else 'is above 1000000' end);
  end if;
  if not ttl_seconds > 0 or ttl_seconds > 3153600000 then perform publisher.refuse_field('ttl_seconds', 'is not between 0 and 3153600000'); end if;

  select * into strict settings from publisher.outbox;
  if topic = settings.ack_prefix or starts_with(topic, settings.ack_prefix || '/')
    or topic = settings.presence_prefix or starts_with(topic, settings.presence_prefix || '/') then
    perform publisher.refuse_field('topic', 'lies under a prefix that acktor keeps for itself');
  end if;
  ttl_ms := coalesce(ceil(ttl_seconds * 1000)::bigint, settings.default_ttl_ms);
  if ttl_ms > settings.retention_ms then
    perform publisher.refuse_field('ttl_seconds', format('is longer than the retention of %s seconds', settings.retention_ms / 1000));
  end if;
  if deliver_at > now() + settings.retention_ms * interval '1 millisecond' then
    perform publisher.refuse_field('deliver_at', format('is further away than the retention of %s seconds', settings.retention_ms / 1000));
  end if;
  if greatest(deliver_at, now()) + ttl_ms * interval '1 millisecond' > '2200-01-01Z' then
    perform publisher.refuse_field('ttl_seconds', 'ends after the year 2199');
  end if;

  perform publisher.lock_lanes(array[
    case when ordering_key is not null then 'k:' || ordering_key end, case when retain then 'r:' || md5(topic) end], interval '10 seconds');
  -- The transaction's id is drawn before the clock is read: the claim's low-water mark builds on that order.
  perform pg_current_xact_id();
  born := clock_timestamp();
  id := publisher.uuid_v7(born);
  insert into publisher.message_delivery as m (message_id, topic, payload, content_encoding, content_type, qos, retain,
    requires_ack, checksum, ordering_key, max_retries, ttl_ms, deliver_at, expires_at, traceparent, sender, created_at, updated_at, due_at)
  values (id, topic, content, content_encoding, content_type, qos, retain, requires_ack,
    'sha256:' || encode(sha256(bytes), 'hex'), ordering_key, coalesce(max_retries, settings.default_max_retries), ttl_ms,
    deliver_at, greatest(deliver_at, born) + ttl_ms * interval '1 millisecond', traceparent, 'sql:' || session_user, born, born,
    greatest(deliver_at, born));
  return id;
end $$;

-- What became of a message that the caller's login role enqueued; no row for any other message.
create function publisher.message_state(message_id uuid) returns table (
  state text, reason text, attempts integer, created_at timestamptz, updated_at timestamptz, expires_at timestamptz,
  acknowledged_at timestamptz, acked_by text, ack_level text, late boolean
) language sql stable rows 1 security definer set search_path = pg_catalog, pg_temp as $$
  select m.state, m.reason, m.attempts, m.created_at, m.updated_at, m.expires_at, m.acknowledged_at, m.acked_by, m.ack_level, m.late
  from publisher.message_delivery m where m.message_id = $1 and m.sender = 'sql:' || session_user
$$;

--------------------------------------------------------------------------------- what needs an owner while the service runs

-- How long finished rows stay at least: as the publisher last said, a week before it has, an hour in any case.
create function publisher.retention() returns interval language sql stable set search_path = pg_catalog, pg_temp as $$
  select greatest(coalesce(retention_ms, 604800000), 3600000) * interval '1 millisecond' from publisher.outbox
$$;

alter function publisher.guard_prefixes(text, text) set search_path = pg_catalog, pg_temp;
alter function publisher.configure(text, text, bigint, integer, bigint, integer) security definer set search_path = pg_catalog, pg_temp;

-- As in 0003, for days from 40 before the retention to 40 ahead: each has three tables.
create or replace function publisher.create_partition(day date) returns void language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  base text;
  part text;
  columns text;
  today date := (now() at time zone 'UTC')::date;
  first date := ((now() - publisher.retention()) at time zone 'UTC')::date - 40;
  lower_bound uuid;
  upper_bound uuid;
begin
  if day is null or day > today + 40 or day < first then
    raise exception 'day % is not between % and %', coalesce(day::text, 'null'), first, today + 40
      using errcode = 'invalid_parameter_value', column = 'day',
        hint = 'Partitions are made for 40 days ahead and for 40 days before the retention; other rows lie in the default partition.';
  end if;
  lower_bound := publisher.day_bound(day);
  upper_bound := publisher.day_bound(day + 1);
  -- Not an advisory lock: those can be held by any role.
  lock table publisher.outbox in share update exclusive mode;
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

-- As in 0003, for days that the retention does not keep.
create or replace function publisher.drop_partition(day date) returns boolean language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  base text;
  live boolean;
  keep interval := publisher.retention();
  part text := 'message_delivery' || to_char(day, '_YYYYMMDD');
begin
  if day is null or not isfinite(day) or (day + 1)::timestamp at time zone 'UTC' > now() - keep then
    raise exception 'day % lies within the retention of % hours', coalesce(day::text, 'null'), floor(extract(epoch from keep) / 3600)
      using errcode = 'invalid_parameter_value', column = 'day',
        hint = 'Only days that ended before the retention (ACKTOR_RETENTION of the publisher) are dropped.';
  end if;
  lock table publisher.outbox in share update exclusive mode;
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

-- Rows that were born without a partition of their day and finished: by the row, because there is no day to drop. Returns how
-- many of one batch; `keep` is how long finished rows stay.
create function publisher.delete_stragglers(keep interval, batch integer) returns integer language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $$
declare
  deleted integer;
begin
  if keep is null or keep < publisher.retention() then
    raise exception 'keep % is shorter than the retention', coalesce(keep::text, 'null')
      using errcode = 'invalid_parameter_value', column = 'keep',
        hint = 'Only rows that are older than the retention (ACKTOR_RETENTION of the publisher) are deleted.';
  end if;
  with old as materialized (
    select message_id from publisher.message_delivery_default
    where due_at is null and message_id < publisher.uuid_at(now() - keep)
    order by message_id limit least(batch, 10000) for update skip locked),
  gone as (
    delete from publisher.message_delivery_default m using old where m.message_id = old.message_id returning m.state, m.retry_count, m.message_id),
  acks as (delete from publisher.further_acknowledgment_default a using old where a.message_id = old.message_id),
  attempts as (delete from publisher.delivery_attempt_default a using old where a.message_id = old.message_id),
  counted as (
    insert into publisher.tally (state, messages, retries)
    select state, count(*), sum(retry_count) from gone where state in ('failed', 'expired') group by state)
  select count(*) into deleted from gone;
  return deleted;
end $$;

-- The audit is bounded: lines of the last 90 days, and beyond the newest 100,000 only those of the last day, so that a flood of
-- new lines pushes out nothing before a day has passed. No parameter: there is nothing to ask for. Returns how many of
-- one batch of 5,000.
create function publisher.purge_actions() returns integer language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $$
declare
  deleted integer;
begin
  with old as materialized (
    select action_id from publisher.operator_action
    where at < now() - interval '90 days'
      or at < now() - interval '1 day'
        and action_id <= (select action_id from publisher.operator_action order by action_id desc offset 100000 limit 1)
    order by action_id limit 5000 for update skip locked),
  gone as (delete from publisher.operator_action a using old where a.action_id = old.action_id returning a.action_id)
  select count(*) into deleted from gone;
  return deleted;
end $$;

-- The tally's differences become their sum, whose total stays what it is. Returns how many of one batch of 10,000.
create function publisher.sum_up_tally() returns integer language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $$
declare
  summed integer;
begin
  with gone as (
    delete from publisher.tally where ctid = any (array(select ctid from publisher.tally limit 10000 for update skip locked))
    returning state, ack_level, messages, retries),
  sums as (
    insert into publisher.tally (state, ack_level, messages, retries)
    select state, ack_level, sum(messages), sum(retries) from gone group by state, ack_level)
  select count(*) into summed from gone;
  return summed;
end $$;
