-- What the outbox refuses, from whomever it comes.

create function publisher.refuse_move() returns trigger language plpgsql as $$
begin
  raise exception 'a message cannot move from % to %', old.state, new.state
    using errcode = 'check_violation', constraint = 'legal_move', table = 'message_delivery', schema = 'publisher',
      detail = format('message_id %s', old.message_id),
      hint = 'Only replay and a late ack leave failed and expired; nothing leaves acknowledged.';
end $$;

-- The list is that of services/publisher/src/outbox/delivery.ts; a test compares the two. As one array of texts, because
-- each statement reads its triggers' conditions anew: eleven pairs of values took 65 µs of it.
create trigger legal_move before update of state on publisher.message_delivery
  for each row when (old.state <> new.state and (old.state || '>' || new.state) <> all ('{
    pending>sent, pending>acknowledged, pending>failed, pending>expired, sent>acknowledged, sent>failed, sent>expired,
    failed>pending, failed>acknowledged, expired>pending, expired>acknowledged}'::text[]))
  execute function publisher.refuse_move();

create function publisher.refuse_birth() returns trigger language plpgsql as $$
begin
  raise exception 'a message is born pending, not %', new.state
    using errcode = 'check_violation', constraint = 'born_pending', table = 'message_delivery', schema = 'publisher',
      detail = format('message_id %s', new.message_id);
end $$;

create trigger born_pending before insert on publisher.message_delivery
  for each row when (new.state <> 'pending' or new.attempts <> 0) execute function publisher.refuse_birth();

-- The two functions below are plpgsql because the trigger's WHEN calls them: a SQL function would be parsed and inlined
-- there by each statement, whether it is called or not.

-- Why a topic may not be published to, or null: the rules of shared/src/protocol/topics.ts. NUL cannot be stored.
create function publisher.topic_fault(topic text) returns text language plpgsql immutable parallel safe as $$
begin
  return case
    when topic is null then 'is null'
    when topic = '' then 'is empty'
    when starts_with(topic, '$') then 'starts with $, which brokers keep for themselves'
    when topic ~ '[+#]' then 'contains a wildcard (+ or #)'
    when topic ~ '[\u0001-\u001f\u007f-\u009f]' then 'contains a control character'
    when octet_length(topic) > 65535 then 'is longer than 65535 bytes'
    when length(topic) - length(replace(topic, '/', '')) >= 100 then 'has more than 100 levels'
  end;
end $$;

-- Bytes that a content stands for.
create function publisher.content_bytes(payload text, content_encoding text) returns integer language plpgsql immutable parallel safe as $$
begin
  return case when content_encoding = 'base64'
    then octet_length(payload) / 4 * 3 - octet_length(payload) + octet_length(rtrim(payload, '='))
    else octet_length(payload) end;
end $$;

create function publisher.refuse_content() returns trigger language plpgsql as $$
declare
  field text;
  problem text;
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
    (10, 'ttl_ms', case when new.ttl_ms <= 0 then 'is not above 0' end),
    (11, 'max_retries', case when new.max_retries < 0 then 'is negative' end)
  ) faults(place, f, p) where p is not null order by place limit 1;
  raise exception '% %', coalesce(field, 'message'), coalesce(problem, 'is not valid')
    using errcode = 'check_violation', constraint = 'content_is_valid', column = field, table = 'message_delivery', schema = 'publisher',
      detail = format('message_id %s', new.message_id);
end $$;

-- A trigger and not CHECKs, because CHECKs are evaluated again by every update: that cost 10 % of a message's life.
create trigger content_is_valid
  before insert or update of message_id, topic, payload, content_encoding, qos, requires_ack, checksum, ordering_key, deliver_at, ttl_ms, max_retries
  on publisher.message_delivery for each row when (not (
    -- One expression decides most of a topic: not empty, no leading $, no wildcard, no control character.
    new.topic ~ '^[^$+#\u0001-\u001f\u007f-\u009f][^+#\u0001-\u001f\u007f-\u009f]*$'
    and (octet_length(new.topic) < 100 or publisher.topic_fault(new.topic) is null)
    and get_byte(uuid_send(new.message_id), 6) >> 4 = 7
    and new.content_encoding in ('utf8', 'base64')
    and (octet_length(new.payload) <= 262144 or publisher.content_bytes(new.payload, new.content_encoding) <= 262144)
    and new.qos between 0 and 2
    and (new.requires_ack or new.qos > 0)
    -- decode() takes 1 µs a row (and raises what is no hex), the regular expression with {64} takes 21.
    and octet_length(new.checksum) = 71 and starts_with(new.checksum, 'sha256:') and octet_length(decode(right(new.checksum, 64), 'hex')) = 32
    and (new.ordering_key is null or octet_length(new.ordering_key) between 1 and 1024 and new.deliver_at is null)
    and (new.ttl_ms is null or new.ttl_ms > 0)
    and (new.max_retries is null or new.max_retries >= 0)))
  execute function publisher.refuse_content();

create function publisher.refuse_reserved_topic() returns trigger language plpgsql as $$
begin
  raise exception 'topic lies under a prefix that acktor keeps for itself'
    using errcode = 'check_violation', constraint = 'topic_not_reserved', table = 'message_delivery', schema = 'publisher',
      detail = format('topic %s', left(new.topic, 200)),
      hint = 'Nobody forges an ack through the outbox: choose a topic outside the ack and presence prefixes.';
end $$;

-- (Re)builds the guard with the prefixes as literals of its WHEN clause: looking them up for each row would cost more
-- than the insert's other checks together. Only for inserts, so that a row stored earlier can still be settled.
create function publisher.guard_prefixes(ack_prefix text, presence_prefix text) returns void language plpgsql as $$
begin
  drop trigger if exists topic_not_reserved on publisher.message_delivery;
  execute format(
    'create trigger topic_not_reserved before insert on publisher.message_delivery for each row when ('
    'new.topic = %1$L or starts_with(new.topic, %2$L) or new.topic = %3$L or starts_with(new.topic, %4$L))'
    ' execute function publisher.refuse_reserved_topic()',
    ack_prefix, ack_prefix || '/', presence_prefix, presence_prefix || '/');
end $$;
select publisher.guard_prefixes('delivery/ack', 'delivery/acker');

-- Raised inside the insert, so that a conflicting idempotency key takes the whole batch back. The message is the index.
create function publisher.refuse_conflict(item bigint) returns boolean language plpgsql as $$
begin
  raise exception '%', item using errcode = 'AK409', constraint = 'idempotency_conflict';
end $$;

-- Writes the publisher's settings where they differ; a new prefix rebuilds the guard (a short exclusive lock).
create function publisher.configure(
  ack_prefix text, presence_prefix text, default_ttl_ms bigint, default_max_retries integer, retention_ms bigint, destination_levels integer
) returns uuid language plpgsql set lock_timeout = '2s' as $$
declare
  before publisher.outbox;
begin
  select * into strict before from publisher.outbox;
  if (before.ack_prefix, before.presence_prefix, before.default_ttl_ms, before.default_max_retries, before.retention_ms, before.destination_levels)
    is not distinct from ($1, $2, $3, $4, $5, $6) then return before.outbox_id; end if;
  select * into strict before from publisher.outbox for update;
  if (before.ack_prefix, before.presence_prefix) <> ($1, $2) then perform publisher.guard_prefixes($1, $2); end if;
  update publisher.outbox o set ack_prefix = $1, presence_prefix = $2, default_ttl_ms = $3, default_max_retries = $4,
    retention_ms = $5, destination_levels = $6, updated_at = now();
  return before.outbox_id;
end $$;
