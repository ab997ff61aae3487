-- publisher.enqueue: the transactional outbox. A row in the caller's own transaction, from any language.

-- Takes the locks of lanes, sorted, before `seq` is drawn: without them 129 of 4,484 claims came out of order, because a
-- lower number may be committed later. Transactions that write the same lane wait for each other until they end, and two
-- that write several lanes in different orders may deadlock (40P01: run it again), as with row locks.
create function publisher.lock_lanes(lanes text[]) returns boolean language sql volatile as $$
  select count(pg_advisory_xact_lock(7, h)) >= 0
  from (select distinct hashtext(lane) h from unnest(lanes) lane where lane is not null order by 1) s
$$;

-- uuidv7() exists from PostgreSQL 18 on; this one runs on 15.
create function publisher.uuid_v7(at timestamptz default clock_timestamp()) returns uuid language sql volatile parallel safe as $$
  select encode(set_bit(set_bit(
    overlay(uuid_send(gen_random_uuid()) placing substring(int8send(floor(extract(epoch from at) * 1000)::bigint) from 3) from 1 for 6),
    52, 1), 53, 1), 'hex')::uuid
$$;

create function publisher.refuse_field(field text, problem text, hint text default null) returns void language plpgsql as $$
begin
  raise exception '% %', field, problem using errcode = 'invalid_parameter_value', column = field,
    detail = format('The parameter %s of publisher.enqueue %s.', field, problem),
    hint = coalesce(hint, 'See the reference of publisher.enqueue.');
end $$;

-- 'pid:xid' of the caller's transaction, to be read at its start and given to enqueue as `fence`.
create function publisher.fence() returns text language sql volatile as $$
  select pg_backend_pid() || ':' || pg_current_xact_id()
$$;

-- Stores one message in the caller's transaction; it is sent after the commit, and only then.
--   fence: 'pid:xid' as read by publisher.fence() at the start of the transaction. Some drivers (postgres.js) run the
--   rest of a transaction on a new connection when its backend dies; with the fence that raises instead of storing a
--   message of a transaction that never was.
-- Errors: 22023 (invalid_parameter_value) with the parameter's name in COLUMN. Never refuses for backlog.
create function publisher.enqueue(
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
) returns uuid language plpgsql volatile as $$
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
  if max_retries < 0 then perform publisher.refuse_field('max_retries', 'is negative'); end if;
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

  perform publisher.lock_lanes(array[
    case when ordering_key is not null then 'k:' || ordering_key end, case when retain then 'r:' || md5(topic) end]);
  -- The transaction's id is drawn before the clock is read: the claim's low-water mark builds on that order.
  perform pg_current_xact_id();
  born := clock_timestamp();
  id := publisher.uuid_v7(born);
  insert into publisher.message_delivery as m (message_id, topic, payload, content_encoding, content_type, qos, retain,
    requires_ack, checksum, ordering_key, max_retries, ttl_ms, deliver_at, expires_at, traceparent, created_at, updated_at, due_at)
  values (id, topic, content, content_encoding, content_type, qos, retain, requires_ack,
    'sha256:' || encode(sha256(bytes), 'hex'), ordering_key, coalesce(max_retries, settings.default_max_retries), ttl_ms,
    deliver_at, greatest(deliver_at, born) + ttl_ms * interval '1 millisecond', traceparent, born, born, greatest(deliver_at, born));
  return id;
end $$;
