-- The schema `publisher`: the outbox. One row for each message that the publisher has promised to deliver, from its 201
-- until its partition is dropped. Order of this file: tables with their indexes, views, guards (triggers), functions that an
-- application calls, functions that the publisher calls, first partitions. The rights of the publisher's role: grants.sql.
--
-- Invariants, kept by the database itself, also against psql:
--  OUTBOX_ROW-1. Only the moves of services/publisher/src/outbox/delivery.ts happen to `state`; a row is born pending.
--  OUTBOX_ROW-2. `due_at` is due time and lease in one: it is set exactly while the row is pending or sent.
--  OUTBOX_ROW-3. What cannot be published (topic, size, QoS) cannot be stored.
--  OUTBOX_ROW-4. Per lane (an ordering key, or the retained value of a topic) `seq` rises in commit order: writers of one
--                lane take `publisher.lock_lanes` before `nextval`.
--  RIGHTS-1. A function with its owner's rights (SECURITY DEFINER) has the fixed search_path `pg_catalog, pg_temp`, and every
--            other name in it is qualified. `npm run check` reads this file for it.
--  RIGHTS-2. PUBLIC may execute no function of the schema: the migration runner revokes it in the transaction of each file.
--  RIGHTS-3. An application needs `usage` on the schema and `execute` on publisher.enqueue, publisher.fence and
--            publisher.message_state: no table, no sequence, no other function.
--  RIGHTS-4. Nothing within the retention is deleted: neither by drop_partition nor by delete_stragglers. purge_actions keeps
--            the audit's last 90 days (or the last day, beyond 100,000 lines).
--  RIGHTS-5. A message is born with the engine's columns untouched, and no update writes a value into them at which the
--            engine's own arithmetic would fail: times lie between 1970 and 2200, lease_token rises by one at most, attempts
--            by 1,000,000 at most.
--  RIGHTS-6. A wait for a lock that any role can take is bounded, and the error names the lock's holder. All other locks lie
--            on tables, which only roles with rights on them can lock.
--
-- Messages are partitioned by day through the time inside the UUIDv7, so that finished rows leave by DROP, never by DELETE.
-- Rows are updated in place (fillfactor 50 leaves room on the page). `state` is not the partition key, because a row that
-- moves between partitions gives a concurrent ack 40001 and lets one id in twice.

----------------------------------------------------------------------------------------------------------- tables and indexes

create sequence publisher.message_seq;
create sequence publisher.attempt_seq;

-- One row: what this outbox is, and the defaults that SQL callers share with the publisher (publisher.configure).
create table publisher.outbox (
  singleton boolean primary key default true check (singleton),
  outbox_id uuid not null default gen_random_uuid(),
  ack_prefix text not null default 'delivery/ack',
  presence_prefix text not null default 'delivery/acker',
  default_ttl_ms bigint check (default_ttl_ms > 0),
  default_max_retries integer check (default_max_retries >= 0),
  default_hold_ms bigint check (default_hold_ms > 0),
  retention_ms bigint check (retention_ms > 0),
  destination_levels integer not null default 0 check (destination_levels between 0 and 100),
  updated_at timestamptz not null default now()
);
insert into publisher.outbox default values;

-- Values of most columns are checked by triggers (below): every update evaluates a CHECK again, which cost 10 % of a
-- message's life.
create table publisher.message_delivery (
  message_id uuid primary key,
  topic text collate "C" not null,
  payload text not null,
  content_encoding text not null default 'utf8',
  content_type text,
  qos smallint not null default 1,
  retain boolean not null default false,
  -- False: PUBACK acknowledges it, with ack_level broker.
  requires_ack boolean not null default true,
  state text not null default 'pending',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- PUBLISHes written since creation or replay.
  attempts integer not null default 0,
  retry_count integer generated always as (greatest(attempts - 1, 0)) stored,
  max_retries integer,
  ttl_ms bigint,
  deliver_at timestamptz,
  expires_at timestamptz,
  -- How long the broker's copy is trusted to wait in its receiver's session: after its PUBACK the message is not sent again
  -- for so long. Null or 0: sent again after the ack timeout.
  hold_ms bigint,
  -- sha256:<hex> over the content's bytes (decoded when base64).
  checksum text not null,
  reason text,
  ordering_key text collate "C",
  -- One row of a lane is in flight at a time, in order of `seq`. The topic is hashed because an index entry holds 2,704 bytes.
  lane text collate "C" generated always as (
    case when ordering_key is not null then 'k:' || ordering_key when retain then 'r:' || md5(topic) end) stored,
  seq bigint not null default nextval('publisher.message_seq'),
  due_at timestamptz default now()
    constraint due_while_live check ((due_at is not null) = (state in ('pending', 'sent'))), -- OUTBOX_ROW-2
  -- Outside of the in-flight window because its destination is silent; probed singly.
  parked boolean not null default false
    constraint parked_while_live check (not parked or due_at is not null),
  lease_owner text,
  lease_token bigint not null default 0,
  -- Token of the last attempt written here: makes the `sent` write idempotent.
  sent_token bigint,
  -- The last attempt.
  sent_at timestamptz,
  last_outcome text,
  last_reason_code smallint,
  last_breaker text,
  -- The first ack, which made it acknowledged; further receivers are in further_acknowledgment.
  acknowledged_at timestamptz,
  acked_by text collate "C" check (octet_length(acked_by) <= 1024),
  ack_level text,
  late boolean not null default false,
  -- W3C Trace Context; the intake accepts 512 characters of tracestate at most.
  traceparent text,
  -- An operator has looked after this dead letter: it leaves the lists of dead letters, stays failed or expired, and can be
  -- replayed one by one. A column and no state, because nothing of the message's life changes.
  discarded_at timestamptz,
  tracestate text,
  -- What proves the first ack, kept for receipts: its signature, and the attempt token that the signature covers (null = the
  -- row's own lease_token, '' = none). The other signed fields are the row's: id, topic, checksum, acked_by.
  ack_signature text,
  ack_token text,
  -- Who sent it: the principal's name, or sql:<role> for publisher.enqueue; null for ACKTOR_API_TOKEN and callers without a token.
  sender text collate "C"
) partition by range (message_id);

-- Live rows only, so that a million finished rows cost the claim nothing.
create index message_delivery_due on publisher.message_delivery (due_at)
  where due_at is not null and lane is null and not parked;
create index message_delivery_lane on publisher.message_delivery (lane, seq)
  where due_at is not null and lane is not null and not parked;
create index message_delivery_lane_parked on publisher.message_delivery (lane, seq)
  where due_at is not null and lane is not null and parked;
-- Used only by statements that repeat this predicate to the letter; why: services/publisher/src/outbox/live-rows.ts.
create index message_delivery_live on publisher.message_delivery (message_id)
  where coalesce(due_at, due_at) is not null;
-- What waits for a receiver, by topic: parked rows, and rows that were sent and not acknowledged. A message that is
-- acknowledged at its first attempt never has an entry.
create index message_delivery_waiting on publisher.message_delivery ((left(topic, 512)), seq)
  where due_at is not null and (parked or attempts > 0);
create index message_delivery_retained on publisher.message_delivery ((md5(topic)), seq)
  where due_at is not null and retain;
create index message_delivery_expiry on publisher.message_delivery (expires_at)
  where due_at is not null and expires_at is not null;
create index message_delivery_dead on publisher.message_delivery (state, message_id) include (attempts)
  where state in ('failed', 'expired');
-- For the quota of waiting messages. Statements that use it repeat the predicate to the letter; messages without a
-- principal cost nothing here.
create index message_delivery_sender on publisher.message_delivery (sender)
  where coalesce(due_at, due_at) is not null and sender is not null and not starts_with(sender, 'sql:');

-- Receivers after the first one.
create table publisher.further_acknowledgment (
  message_id uuid not null,
  client_id text collate "C" not null check (octet_length(client_id) <= 1024),
  acknowledged_at timestamptz not null default now(),
  late boolean not null default false,
  level text not null default 'processed' check (level in ('processed', 'broker', 'operator')),
  signature text,
  token text,
  primary key (message_id, client_id)
) partition by range (message_id);

-- Attempts before the last one, refusals and rejections. The last attempt lives in the row itself, so that a message
-- that is delivered at the first attempt costs two writes.
create table publisher.delivery_attempt (
  message_id uuid not null,
  seq bigint not null default nextval('publisher.attempt_seq'),
  attempt integer not null,
  outcome text not null check (outcome in ('acked', 'lost', 'refused', 'rejected')),
  reason_code smallint,
  breaker text,
  sent_at timestamptz,
  client_id text,
  detail text,
  recorded_at timestamptz not null default now(),
  -- Of a rejection.
  signature text,
  primary key (message_id, seq)
) partition by range (message_id);

create table publisher.message_delivery_default partition of publisher.message_delivery default with (fillfactor = 50);
create table publisher.further_acknowledgment_default partition of publisher.further_acknowledgment default;
create table publisher.delivery_attempt_default partition of publisher.delivery_attempt default;

-- Keys outlive rows: `final_state` is the row's state when its partition was dropped. A key belongs to a principal; the
-- owner '' is ACKTOR_API_TOKEN, callers without a token, NATS and SQL.
create table publisher.idempotency (
  key text collate "C" check (octet_length(key) between 1 and 1024),
  message_id uuid not null,
  body_hash text not null,
  expires_at timestamptz not null,
  final_state text,
  owner text collate "C" not null default '',
  primary key (owner, key)
);
create index idempotency_expiry on publisher.idempotency (expires_at);

-- Silent destinations, and those to which nothing was sent yet for want of room (`misses` 0). A row stays until no message is
-- parked in it: `parked_at` null means that the publisher is resuming its messages, and `probe_at` is when it looks for more of
-- them. Keyed by a hash because a topic may be longer than an index entry.
create table publisher.destination (
  slot text collate "C" generated always as (md5(destination)) stored primary key,
  destination text collate "C" not null,
  covers_below boolean not null,
  parked_at timestamptz,
  probe_at timestamptz not null,
  pause_ms integer not null,
  misses integer not null default 0,
  last_answer_at timestamptz,
  -- The last time that a birth resumed it, and how often one did without an answer since.
  born_at timestamptz,
  births integer not null default 0,
  -- The engine multiplies and adds these.
  constraint destination_is_sane check (pause_ms between 0 and 3600000 and misses between 0 and 1000000000
    and births between 0 and 1000000000 and isfinite(probe_at) and isfinite(born_at))
);
create index destination_untried on publisher.destination (probe_at) where parked_at is not null and misses = 0;
create index destination_heard on publisher.destination (probe_at) where parked_at is not null and misses > 0 and last_answer_at is not null;
create index destination_unheard on publisher.destination (probe_at) where parked_at is not null and misses > 0 and last_answer_at is null;
create index destination_released on publisher.destination (probe_at) where parked_at is null;
-- For the births of receivers below a topic.
create index destination_name on publisher.destination ((left(destination, 512))) where parked_at is not null;

-- Publishers that work on this outbox now: they share the in-flight window.
create table publisher.replica (
  owner text collate "C" primary key,
  seen_at timestamptz not null default now()
);

-- Counts of acknowledged rows, and of rows that were dropped with their partition, as differences: each statement adds one
-- row, and the janitor sums the rows up. Exact totals without counting the table.
create table publisher.tally (
  state text not null,
  ack_level text not null default '',
  messages bigint not null,
  retries bigint not null
);

-- Written to after the disk was full, to see whether there is room again: each row takes a page of its own. One row at most.
create table publisher.disk_probe (filler text not null) with (fillfactor = 10);
alter table publisher.disk_probe alter filler set storage plain;

-- The audit: what operators did and what they were refused.
create table publisher.operator_action (
  action_id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  -- The authenticated principal; `said` is the name that the caller gave for itself.
  who text not null,
  action text not null,
  detail jsonb not null default '{}',
  messages bigint not null,
  origin text,
  outcome text not null default 'done',
  said text,
  -- A signed report of an acker is one line: the nonce of its signature, which is unique.
  report text
);
create unique index operator_action_report on publisher.operator_action (report) where report is not null;

-- Principals: who may use the HTTP interface in addition to the holder of ACKTOR_API_TOKEN. The token itself is stored
-- nowhere: `token_hash` is the hex SHA-256 of a text with 256 random bits, which needs no salt. Publishers read this table
-- once a second (services/publisher/src/principals/principal-book.ts).
create table publisher.principal (
  name text collate "C" primary key check (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  token_hash text collate "C" not null unique check (token_hash ~ '^[0-9a-f]{64}$'),
  scopes text[] not null check (scopes <@ array['send', 'read', 'operate', 'admin'] and cardinality(scopes) > 0),
  -- MQTT filters: topics that it may send to, and topics whose messages it may see.
  write_filters text[] not null default '{}' check (cardinality(write_filters) <= 64),
  read_filters text[] not null default '{}' check (cardinality(read_filters) <= 64),
  requests_per_second integer check (requests_per_second between 1 and 1000000),
  most_waiting integer check (most_waiting between 1 and 1000000),
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  created_by text not null,
  revoked_at timestamptz
);

-------------------------------------------------------------------------------------------------------------------------- views

-- The id of the key in a signature `v2:<algorithm>:<key id>:<value>`; version 1 names one for Ed25519 alone.
create function publisher.signature_key_id(signature text) returns text language sql immutable parallel safe as $$
  select case when signature like 'v2:%' then split_part(signature, ':', 3) when signature like 'ed25519:%' then split_part(signature, ':', 2) end
$$;

-- Who processed what, and when: one row per message and receiver. A view, because nearly every message has one receiver,
-- whose ack updates the message's row anyway: an additional row for it cost 6 of a settle's 20 µs.
create view publisher.delivery_acknowledgment as
  select message_id, acked_by client_id, acknowledged_at, late, ack_level level, ack_signature signature,
    publisher.signature_key_id(ack_signature) key_id, coalesce(ack_token, lease_token::text) attempt_token
  from publisher.message_delivery where acknowledged_at is not null
  union all
  select message_id, client_id, acknowledged_at, late, level, signature, publisher.signature_key_id(signature), token
  from publisher.further_acknowledgment;

-------------------------------------------------------------------------------------------------------------- guards: the state

create function publisher.refuse_move() returns trigger language plpgsql as $$
begin
  raise exception 'a message cannot move from % to %', old.state, new.state
    using errcode = 'check_violation', constraint = 'legal_move', table = 'message_delivery', schema = 'publisher',
      detail = format('message_id %s', old.message_id),
      hint = 'Only replay and a late ack leave failed and expired; nothing leaves acknowledged.';
end $$;

-- OUTBOX_ROW-1: The list is that of services/publisher/src/outbox/delivery.ts; a test compares the two. One array of texts,
-- because each statement reads the conditions of its triggers again: eleven pairs of values took 65 µs of a statement.
create trigger legal_move before update of state on publisher.message_delivery
  for each row when (old.state <> new.state and (old.state || '>' || new.state) <> all ('{
    pending>sent, pending>acknowledged, pending>failed, pending>expired, sent>acknowledged, sent>failed, sent>expired,
    failed>pending, failed>acknowledged, expired>pending, expired>acknowledged}'::text[]))
  execute function publisher.refuse_move();

----------------------------------------------------------------------------------------- guards: values at birth and afterwards

-- A guard's WHEN decides quickly, and its function finds the column that is at fault. The two functions below are plpgsql
-- because a WHEN calls them: a SQL function would be parsed and inlined by each statement, even when it is not called.

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

-- Bytes of the content after decoding.
create function publisher.content_bytes(payload text, content_encoding text) returns integer language plpgsql immutable parallel safe as $$
begin
  return case when content_encoding = 'base64'
    then octet_length(payload) / 4 * 3 - octet_length(payload) + octet_length(rtrim(payload, '='))
    else octet_length(payload) end;
end $$;

create function publisher.refuse_birth() returns trigger language plpgsql as $$
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
    -- content_is_valid refuses an id that is not a UUIDv7.
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

-- RIGHTS-5: One call of num_nonnulls instead of ten comparisons: each statement reads the conditions of its triggers, node
-- by node. The trigger costs an insert 90 µs a statement and 0.5 µs a row. A new column that the engine writes is added to
-- both lists. `seq` has to be what this very row drew: with the highest of all numbers a retained message would supersede
-- all later ones.
create trigger born_pending before insert on publisher.message_delivery for each row when (not (
    new.state = 'pending' and new.attempts = 0 and not new.parked and not new.late
    and num_nonnulls(new.reason, new.sent_token, new.sent_at, new.last_outcome, new.last_reason_code, new.last_breaker, new.acknowledged_at,
      new.acked_by, new.ack_level, new.discarded_at, new.ack_signature, new.ack_token) = 0
    and new.lease_token = case when new.lease_owner is null then 0 else 1 end
    and new.created_at between now() - interval '1 day' and clock_timestamp() + interval '1 minute'
    and new.updated_at = new.created_at
    and new.due_at between '1970-01-01Z' and '2200-01-01Z'
    and (new.lease_owner is null or octet_length(new.lease_owner) <= 1024)
    -- The first 16 bits of the id count 49.7 days; an id of the far future would keep its row without limit.
    and abs((get_byte(uuid_send(new.message_id), 0) << 8) + get_byte(uuid_send(new.message_id), 1) - date_part('epoch', now()) / 4294967.296) < 8
    and new.seq between 1 and coalesce(pg_sequence_last_value('publisher.message_seq'), 0)
    and new.seq = currval('publisher.message_seq')))
  execute function publisher.refuse_birth(
    'reason sent_token sent_at last_outcome last_reason_code last_breaker acknowledged_at acked_by ack_level discarded_at ack_signature ack_token');

create function publisher.refuse_content() returns trigger language plpgsql as $$
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
    (18, 'sender', case when octet_length(new.sender) > 1024 then 'has more than 1024 bytes' end),
    (19, 'hold_ms', case when new.hold_ms not between 0 and 2678400000 then 'is not between 0 and 31 days'
      when new.hold_ms > 0 and new.qos = 0 then 'is set with qos 0, which brokers do not keep'
      when new.hold_ms > 0 and not new.requires_ack then 'is set without requires_ack: the PUBACK completes such a message' end)
  ) faults(place, f, p) where p is not null order by place limit 1;
  raise exception '% %', coalesce(field, 'message'), coalesce(problem, 'is not valid')
    using errcode = 'check_violation', constraint = 'content_is_valid', column = field, table = 'message_delivery', schema = 'publisher',
      detail = format('message_id %s', new.message_id);
end $$;

-- OUTBOX_ROW-3, RIGHTS-5: what the sender gave, and what only a birth or a replay writes. `least` and `greatest` skip nulls.
create trigger content_is_valid
  before insert or update of message_id, topic, payload, content_encoding, content_type, qos, requires_ack, checksum, ordering_key,
    deliver_at, expires_at, created_at, ttl_ms, max_retries, traceparent, tracestate, sender, hold_ms
  on publisher.message_delivery for each row when (not (
    -- One expression decides most of a topic: not empty, no leading $, no wildcard, no control character.
    new.topic ~ '^[^$+#\u0001-\u001f\u007f-\u009f][^+#\u0001-\u001f\u007f-\u009f]*$'
    and (octet_length(new.topic) < 100 or publisher.topic_fault(new.topic) is null)
    and get_byte(uuid_send(new.message_id), 6) >> 4 = 7
    and new.content_encoding in ('utf8', 'base64')
    and (octet_length(new.payload) <= 262144 or publisher.content_bytes(new.payload, new.content_encoding) <= 262144)
    and new.qos between 0 and 2
    and (new.requires_ack or new.qos > 0)
    -- decode() takes 1 µs a row (and raises for a text that is not hex), the regular expression with {64} takes 21.
    and octet_length(new.checksum) = 71 and starts_with(new.checksum, 'sha256:') and octet_length(decode(right(new.checksum, 64), 'hex')) = 32
    and (new.ordering_key is null or octet_length(new.ordering_key) between 1 and 1024 and new.deliver_at is null)
    and (new.ttl_ms is null or new.ttl_ms between 1 and 3155760000000)
    and (new.max_retries is null or new.max_retries between 0 and 1000000)
    and least(new.created_at, new.deliver_at, new.expires_at) >= '1970-01-01Z'
    and greatest(new.created_at, new.deliver_at, new.expires_at) <= '2200-01-01Z'
    and (new.content_type is null or octet_length(new.content_type) <= 1024)
    and (new.traceparent is null or octet_length(new.traceparent) <= 256)
    and (new.tracestate is null or octet_length(new.tracestate) <= 2048)
    and (new.sender is null or octet_length(new.sender) <= 1024)
    and (new.hold_ms is null or new.hold_ms = 0 or new.hold_ms between 1 and 2678400000 and new.qos > 0 and new.requires_ack)))
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

-- RIGHTS-5: Every claim and settle evaluates this one, so it is short: two comparisons for all times, and only what makes
-- the engine's own statements fail (a token at the end of bigint made every claim fail with 22003; an outcome that
-- delivery_attempt refuses made every batch of attempts fail). It costs 85 µs a statement and 0.2 µs a row.
-- `new - 1 <= old`, because `old + 1` overflows where it matters.
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

create function publisher.refuse_reserved_topic() returns trigger language plpgsql as $$
begin
  raise exception 'topic lies under a prefix that acktor keeps for itself'
    using errcode = 'check_violation', constraint = 'topic_not_reserved', table = 'message_delivery', schema = 'publisher',
      detail = format('topic %s', left(new.topic, 200)),
      hint = 'An ack cannot be forged through the outbox. Choose a topic outside the ack and presence prefixes.';
end $$;

-- (Re)builds the guard with the prefixes as literals of its WHEN clause: looking them up for each row would cost more
-- than the insert's other checks together. Only for inserts, so that a row stored earlier can still be settled.
create function publisher.guard_prefixes(ack_prefix text, presence_prefix text) returns void language plpgsql
  set search_path = pg_catalog, pg_temp as $$
begin
  drop trigger if exists topic_not_reserved on publisher.message_delivery;
  execute format(
    'create trigger topic_not_reserved before insert on publisher.message_delivery for each row when ('
    'new.topic = %1$L or starts_with(new.topic, %2$L) or new.topic = %3$L or starts_with(new.topic, %4$L))'
    ' execute function publisher.refuse_reserved_topic()',
    ack_prefix, ack_prefix || '/', presence_prefix, presence_prefix || '/');
end $$;
select publisher.guard_prefixes('delivery/ack', 'delivery/acker');

--------------------------------------------------------------------------------------------------------------- locks of lanes

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

-- RIGHTS-6: Waits for one lane. The limit is set on the function, so that it ends with the call.
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

-- OUTBOX_ROW-4: Takes the locks of lanes, sorted, before `seq` is drawn: without them 129 of 4,484 claims came out of order,
-- because a lower number may be committed later. Transactions that write the same lane wait for each other until they end,
-- and two that write several lanes in different orders may deadlock (40P01: run it again), as with row locks.
-- The keys follow from this outbox's id, so that no other role takes them by chance or by reading this file. A free lock is
-- taken without a subtransaction. The caller's own lock_timeout holds where it is shorter. The default lets the publisher's
-- intake, which answers within 1.7 s, wait for three locked lanes of a group.
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
create function publisher.fence() returns text language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  select pg_backend_pid() || ':' || pg_current_xact_id()
$$;

-- The transactional outbox, from any language: stores one message in the caller's transaction. The publisher sends it after
-- the commit, and only then. Runs with its owner's rights: the caller needs none on a table.
--   fence: 'pid:xid' as read by publisher.fence() at the start of the transaction. Some drivers (postgres.js) run the
--   rest of a transaction on a new connection when its backend dies; with the fence that raises instead of storing a
--   message of a transaction that never was.
-- RIGHTS-3: with fence and message_state all that an application calls.
-- Errors: 22023 (invalid_parameter_value) with the parameter's name in COLUMN; 55P03 when the lane stays locked for ten
-- seconds. Never refuses for backlog.
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
  fence text default null,
  hold_seconds double precision default null
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

  if hold_seconds is not null and not hold_seconds between 0 and 2678400 then
    perform publisher.refuse_field('hold_seconds', 'is not between 0 and 2678400 (31 days)');
  end if;
  if hold_seconds > 0 and (qos = 0 or not requires_ack) then
    perform publisher.refuse_field('hold_seconds', 'needs qos 1 or 2, and requires_ack',
      'Brokers keep no message of qos 0 for a session, and without requires_ack the PUBACK completes the message.');
  end if;

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
    requires_ack, checksum, ordering_key, max_retries, ttl_ms, deliver_at, expires_at, traceparent, sender, created_at, updated_at, due_at, hold_ms)
  values (id, topic, content, content_encoding, content_type, qos, retain, requires_ack,
    'sha256:' || encode(sha256(bytes), 'hex'), ordering_key, coalesce(max_retries, settings.default_max_retries), ttl_ms,
    deliver_at, greatest(deliver_at, born) + ttl_ms * interval '1 millisecond', traceparent, 'sql:' || session_user, born, born,
    greatest(deliver_at, born),
    case when qos > 0 and requires_ack then coalesce(ceil(hold_seconds * 1000)::bigint, settings.default_hold_ms) end);
  return id;
end $$;

-- The state of a message that the caller's login role enqueued; no row for any other message.
create function publisher.message_state(message_id uuid) returns table (
  state text, reason text, attempts integer, created_at timestamptz, updated_at timestamptz, expires_at timestamptz,
  acknowledged_at timestamptz, acked_by text, ack_level text, late boolean
) language sql stable rows 1 security definer set search_path = pg_catalog, pg_temp as $$
  select m.state, m.reason, m.attempts, m.created_at, m.updated_at, m.expires_at, m.acknowledged_at, m.acked_by, m.ack_level, m.late
  from publisher.message_delivery m where m.message_id = $1 and m.sender = 'sql:' || session_user
$$;

-------------------------------------------------------------------------------------------------- what the publisher's statements call

-- Raised inside the insert, so that a conflicting idempotency key rolls the batch back. The message is the index.
create function publisher.refuse_conflict(item bigint) returns boolean language plpgsql as $$
begin
  raise exception '%', item using errcode = 'AK409', constraint = 'idempotency_conflict';
end $$;

-- The first `levels` levels of a topic, 0 = all of it: shared/src/protocol/topics.ts destinationOf.
create function publisher.destination_of(topic text, levels integer) returns text language sql immutable parallel safe as $$
  select case when levels <= 0 then topic else array_to_string((string_to_array(topic, '/'))[1:levels], '/') end
$$;

-- Whether a destination has this topic: the topic itself, or everything below it.
create function publisher.covers(destination text, covers_below boolean, topic text) returns boolean language sql immutable parallel safe as $$
  select topic = destination or covers_below and starts_with(topic, destination || '/')
$$;

-- The end of the index range that holds a destination's topics; it begins at left(destination, 512). '0' follows '/' in
-- the collation "C", and `covers` decides on what else lies between.
create function publisher.covers_until(destination text, covers_below boolean) returns text language sql immutable parallel safe as $$
  select left(case when covers_below then destination || '0' else destination end, 512) collate "C"
$$;

-- The smallest id of a (UTC) day.
create function publisher.day_bound(day date) returns uuid language sql immutable parallel safe as $$
  select (lpad(to_hex((extract(epoch from day::timestamp) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- The smallest id of a moment.
create function publisher.uuid_at(at timestamptz) returns uuid language sql immutable parallel safe as $$
  select (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- The (UTC) day of an id.
create function publisher.day_of(id uuid) returns date language sql immutable parallel safe as $$
  select (to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) at time zone 'UTC')::date
$$;

-- Ranges of the partitions of message_delivery; nearly all are one day.
create function publisher.partition_bounds() returns table (lower_bound uuid, upper_bound uuid) language sql stable
  set search_path = pg_catalog, pg_temp as $$
  select m[1]::uuid, m[2]::uuid
  from pg_inherits i join pg_class c on c.oid = i.inhrelid
  cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), $m$\('([0-9a-f-]{36})'\) TO \('([0-9a-f-]{36})'\)$m$) m
  where i.inhparent = 'publisher.message_delivery'::regclass and m is not null
$$;

-- Days (UTC) that have a partition of message_delivery.
create function publisher.partition_days() returns setof date language sql stable as $$
  select d::date from publisher.partition_bounds() b
  cross join lateral generate_series(publisher.day_of(b.lower_bound), publisher.day_of(b.upper_bound) - 1, interval '1 day') d
$$;

-- How long finished rows stay at least: the publisher's setting, a week before there is one, an hour in any case.
create function publisher.retention() returns interval language sql stable set search_path = pg_catalog, pg_temp as $$
  select greatest(coalesce(retention_ms, 604800000), 3600000) * interval '1 millisecond' from publisher.outbox
$$;

-------------------------------------------------------------------------------- with the owner's rights, while the publisher runs

-- Writes the publisher's settings where they differ; a new prefix rebuilds the guard (a short exclusive lock).
create function publisher.configure(
  ack_prefix text, presence_prefix text, default_ttl_ms bigint, default_max_retries integer, retention_ms bigint, destination_levels integer,
  default_hold_ms bigint
) returns uuid language plpgsql security definer set lock_timeout = '2s' set search_path = pg_catalog, pg_temp as $$
declare
  before publisher.outbox;
begin
  select * into strict before from publisher.outbox;
  if (before.ack_prefix, before.presence_prefix, before.default_ttl_ms, before.default_max_retries, before.retention_ms, before.destination_levels,
    before.default_hold_ms) is not distinct from ($1, $2, $3, $4, $5, $6, $7) then return before.outbox_id; end if;
  select * into strict before from publisher.outbox for update;
  if (before.ack_prefix, before.presence_prefix) <> ($1, $2) then perform publisher.guard_prefixes($1, $2); end if;
  update publisher.outbox o set ack_prefix = $1, presence_prefix = $2, default_ttl_ms = $3, default_max_retries = $4,
    retention_ms = $5, destination_levels = $6, default_hold_ms = $7, updated_at = now();
  return before.outbox_id;
end $$;

-- PARTITION-2: Rows move only while no insert has chosen its partition and waits: it would be refused (23514). So the lock is
-- taken on the tables that inserts name. The wait for it is 100 ms at most.
create function publisher.lock_days() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- Not an advisory lock: those can be held by any role.
  lock table publisher.outbox in share update exclusive mode;
  lock table only publisher.message_delivery, only publisher.further_acknowledgment, only publisher.delivery_attempt in access exclusive mode;
end $$;

-- Makes one day of the three tables: one call makes or drops one day, because the locks last until its statement ends. A row
-- without a partition (a sender whose clock is days wrong, days without a publisher) is stored in the default partition, and
-- moves to its day when that is made; with more than 10,000 rows there the day is not made, or only where it has few of them
-- (`anyway`): see begin_adoption and keep_out. Days from 40 before the retention to 40 ahead. Waits for locks 100 ms at most (55P03 then: try again later). Returns whether it was made.
create function publisher.create_partition(day date, anyway boolean default false) returns boolean language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  base text;
  part text;
  columns text;
  late integer;
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
  select count(*) into late from (
    select from publisher.message_delivery_default where message_id >= lower_bound and message_id < upper_bound limit 10001) l;
  -- The server checks each row of the default partition under its lock: 13 s for 3,000,000.
  if late > 10000 or not anyway and exists (select from publisher.message_delivery_default offset 10000) then return false; end if;
  -- To days to come nothing is written yet, so that making them waits for no traffic.
  if late > 0 or day <= today then perform publisher.lock_days(); else lock table publisher.outbox in share update exclusive mode; end if;
  if day in (select publisher.partition_days()) then return true; end if;
  foreach base in array array['message_delivery', 'further_acknowledgment', 'delivery_attempt'] loop
    part := base || to_char(day, '_YYYYMMDD');
    continue when to_regclass('publisher.' || part) is not null;
    execute format('create table publisher.%I (like publisher.%I including defaults including generated including constraints including indexes)',
      part, base);
    execute format('alter table publisher.%I add check (message_id >= %L and message_id < %L)', part, lower_bound, upper_bound);
    if base = 'message_delivery' then perform publisher.tune_day(part); end if;
    execute format('lock table only publisher.%I in access exclusive mode', base || '_default');
    select string_agg(quote_ident(attname), ', ' order by attnum) into columns from pg_attribute
      where attrelid = ('publisher.' || part)::regclass and attnum > 0 and not attisdropped and attgenerated = '';
    execute format('with moved as (delete from publisher.%I where message_id >= %L and message_id < %L returning *)'
      ' insert into publisher.%I (%s) select %s from moved', base || '_default', lower_bound, upper_bound, part, columns, columns);
    execute format('alter table publisher.%I attach partition publisher.%I for values from (%L) to (%L)',
      base, part, lower_bound, upper_bound);
  end loop;
  if anyway then perform publisher.end_adoption(); end if;
  return true;
end $$;

-- Half of each page stays free for updates of the same row; vacuum early, because live rows are few and hot.
create function publisher.tune_day(part text) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  execute format('alter table publisher.%I set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02,'
    ' autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0.1)', part);
end $$;

-- PARTITION-3: Days in which nothing made partitions: their rows, perhaps millions, are in the default partition. They do not
-- move. The default partition becomes the partition of those days, and a new, empty one takes its place. In three calls, so
-- that what takes long holds no lock that traffic waits for: begin_adoption notes the range as a constraint, validate_adoption
-- reads the rows (some seconds for a million), finish_adoption exchanges the tables (milliseconds).
-- Returns the range, from the end of the last partition before `day` to the begin of the next one, but at most to the day
-- after tomorrow, and a day outside of this range that has rows, too, which has to be made first. No row, and no constraint,
-- where the default partition has nothing of this range: an adoption would close it for inserts and bring nothing.
create function publisher.begin_adoption(day date) returns table (first_day date, last_day date, other_day date) language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  base text;
  today date := (now() at time zone 'UTC')::date;
  lower_bound uuid;
  upper_bound uuid;
begin
  lock table publisher.outbox in share update exclusive mode;
  if day in (select publisher.partition_days()) then return; end if;
  lower_bound := coalesce(
    (select b.upper_bound from publisher.partition_bounds() b where b.upper_bound <= publisher.day_bound(day) order by 1 desc limit 1),
    (select publisher.day_bound(publisher.day_of(m.message_id)) from publisher.message_delivery_default m order by m.message_id limit 1));
  upper_bound := least(publisher.day_bound(today + 2),
    (select b.lower_bound from publisher.partition_bounds() b where b.lower_bound >= publisher.day_bound(day) order by 1 limit 1));
  -- PARTITION-4
  if not exists (select from publisher.message_delivery_default m where m.message_id >= lower_bound and m.message_id < upper_bound) then
    return;
  end if;
  first_day := publisher.day_of(lower_bound);
  last_day := publisher.day_of(upper_bound) - 1;
  select publisher.day_of(o.message_id) into other_day from (
    (select m.message_id from publisher.message_delivery_default m where m.message_id < lower_bound order by m.message_id limit 1)
    union all
    (select m.message_id from publisher.message_delivery_default m where m.message_id >= upper_bound order by m.message_id limit 1)) o limit 1;
  if other_day is null then
    foreach base in array array['message_delivery', 'further_acknowledgment', 'delivery_attempt'] loop
      execute format('alter table publisher.%I drop constraint if exists adopted', base || '_default');
      execute format('alter table publisher.%I add constraint adopted check (message_id >= %L and message_id < %L) not valid',
        base || '_default', lower_bound, upper_bound);
    end loop;
  end if;
  return next;
end $$;

-- PARTITION-4: A day to come of which the default partition has no row, but more than 10,000 of other days: attaching it would
-- read those under a lock. A constraint keeps rows of the day out; after validate_adoption, create_partition attaches without
-- reading. Not for today and tomorrow: their inserts would be refused. Returns whether it can be done.
create function publisher.keep_out(day date) returns boolean language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  base text;
  today date := (now() at time zone 'UTC')::date;
  lower_bound uuid;
  upper_bound uuid;
begin
  if day is null or day not between today + 2 and today + 40 then return false; end if;
  lower_bound := publisher.day_bound(day);
  upper_bound := publisher.day_bound(day + 1);
  lock table publisher.outbox in share update exclusive mode;
  if day in (select publisher.partition_days())
    or exists (select from publisher.message_delivery_default m where m.message_id >= lower_bound and m.message_id < upper_bound) then
    return false;
  end if;
  foreach base in array array['message_delivery', 'further_acknowledgment', 'delivery_attempt'] loop
    execute format('alter table publisher.%I drop constraint if exists adopted', base || '_default');
    execute format('alter table publisher.%I add constraint adopted check (message_id < %L or message_id >= %L) not valid',
      base || '_default', lower_bound, upper_bound);
  end loop;
  return true;
end $$;

-- PARTITION-4: Opens the default partition again after an adoption that did not finish. While its rows are read this does not
-- get its lock (55P03). Returns whether there was something to end.
create function publisher.end_adoption() returns boolean language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  base text;
begin
  if not exists (select from pg_constraint where conname = 'adopted' and conrelid in ('publisher.message_delivery_default'::regclass,
    'publisher.further_acknowledgment_default'::regclass, 'publisher.delivery_attempt_default'::regclass)) then return false; end if;
  lock table publisher.outbox in share update exclusive mode;
  foreach base in array array['message_delivery', 'further_acknowledgment', 'delivery_attempt'] loop
    execute format('alter table publisher.%I drop constraint if exists adopted', base || '_default');
  end loop;
  return true;
end $$;

create function publisher.validate_adoption() returns void language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  base text;
begin
  foreach base in array array['message_delivery', 'further_acknowledgment', 'delivery_attempt'] loop
    execute format('alter table publisher.%I validate constraint adopted', base || '_default');
  end loop;
end $$;

create function publisher.finish_adoption(first_day date, last_day date) returns void language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  base text;
  part text;
begin
  perform publisher.lock_days();
  foreach base in array array['message_delivery', 'further_acknowledgment', 'delivery_attempt'] loop
    -- Another replica may have ended this adoption, or begun its own.
    if not exists (select from pg_constraint where conname = 'adopted' and convalidated
      and conrelid = to_regclass('publisher.' || base || '_default') and pg_get_constraintdef(oid) = format(
        'CHECK (((message_id >= %L::uuid) AND (message_id < %L::uuid)))', publisher.day_bound(first_day), publisher.day_bound(last_day + 1))) then
      raise exception 'the adoption of % to % is over', first_day, last_day using errcode = 'undefined_object';
    end if;
    part := base || to_char(last_day, '_YYYYMMDD');
    execute format('alter table publisher.%I detach partition publisher.%I', base, base || '_default');
    execute format('alter table publisher.%I rename to %I', base || '_default', part);
    execute format('alter table publisher.%I rename constraint %I to %I', part, base || '_default_pkey', part || '_pkey');
    execute format('create table publisher.%I partition of publisher.%I default', base || '_default', base);
    execute format('alter table publisher.%I attach partition publisher.%I for values from (%L) to (%L)',
      base, part, publisher.day_bound(first_day), publisher.day_bound(last_day + 1));
    execute format('alter table publisher.%I drop constraint adopted', part);
  end loop;
  perform publisher.tune_day('message_delivery' || to_char(last_day, '_YYYYMMDD'));
  alter table publisher.message_delivery_default set (fillfactor = 50);
end $$;

-- Sequences that are behind the data (a restore, logical replication) move up, with room for rows that this does not see: the
-- newest ones of each table are looked at, and all that wait in lanes; damaged numbers are passed over. Returns the names of
-- those that were behind.
create function publisher.advance_sequences() returns setof text language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $$
declare
  one record;
begin
  lock table publisher.outbox in share update exclusive mode;
  for one in
    select 'publisher.message_seq' name, greatest(
      (select max(seq) from (select seq from publisher.message_delivery order by message_id desc limit 1000) n where seq < 4611686018427387904),
      (select max(seq) from publisher.message_delivery where due_at is not null and lane is not null and seq < 4611686018427387904)) used
    union all
    select 'publisher.attempt_seq', (select max(seq) from (select seq from publisher.delivery_attempt order by message_id desc limit 1000) n)
    union all
    select pg_get_serial_sequence('publisher.operator_action', 'action_id'), (select max(action_id) from publisher.operator_action)
  loop
    if one.used > coalesce(pg_sequence_last_value(one.name::regclass), 0) and one.used < 4611686018427387904 then
      perform setval(one.name::regclass, one.used + 100000);
      return next one.name;
    end if;
  end loop;
end $$;

-- RIGHTS-4: Drops one day of the three tables unless the retention keeps it or a live row is left in it. Idempotency keys
-- that outlive their rows keep the state in which those ended. Returns whether it was dropped.
create function publisher.drop_partition(day date) returns boolean language plpgsql
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
    ' where m.message_id = i.message_id and i.message_id < %L and i.expires_at > now()', part, publisher.day_bound(day + 1));
  execute format('insert into publisher.tally (state, messages, retries) select state, count(*), sum(retry_count)'
    ' from publisher.%I where state in (''failed'', ''expired'') group by state', part);
  foreach base in array array['delivery_attempt', 'further_acknowledgment', 'message_delivery'] loop
    execute format('drop table if exists publisher.%I', base || to_char(day, '_YYYYMMDD'));
  end loop;
  return true;
end $$;

-- RIGHTS-4: Deletes finished rows of the default partition one by one, because there is no day to drop. `keep` is how long
-- finished rows stay. Returns how many of one batch were deleted.
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

-- RIGHTS-4: The audit is bounded: lines of the last 90 days, and beyond the newest 100,000 only those of the last day, so
-- that a flood of new lines deletes nothing before a day has passed. Returns how many of one batch of 5,000 were deleted.
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

-- Replaces the tally's differences by their sum; the total stays what it is. Returns how many of one batch of 10,000.
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

---------------------------------------------------------------------------------------------------------------- first partitions

select publisher.create_partition(d::date)
from generate_series((now() at time zone 'UTC')::date - 1, (now() at time zone 'UTC')::date + 3, interval '1 day') d;
