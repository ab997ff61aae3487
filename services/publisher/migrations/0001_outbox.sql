-- The outbox: every message the publisher has promised to deliver, one row each, from 201 to its end.
--
-- Invariants, kept by the database itself, also against psql:
--  1. Only the moves of services/publisher/src/outbox/delivery.ts happen to `state`; a row is born pending.
--  2. `due_at` is due time and lease in one: set exactly while the row is pending or sent, null once it has ended.
--  3. What cannot be published (topic, size, QoS) cannot be stored.
--  4. Per lane (an ordering key, or the retained value of a topic) `seq` rises in commit order: writers of one lane
--     take `publisher.lock_lanes` before `nextval`.
--
-- Partitioned by day through the time inside the UUIDv7, so that finished rows leave by DROP, never by DELETE. Rows are
-- updated in place (fillfactor 50 leaves room on the page); state is not the partition key, because a row that moves
-- between partitions gives a concurrent ack 40001 and lets one id in twice.

create sequence publisher.message_seq;
create sequence publisher.attempt_seq;

-- One row: what this outbox is, and the defaults that SQL callers share with the publisher (configureOutbox).
create table publisher.outbox (
  singleton boolean primary key default true check (singleton),
  outbox_id uuid not null default gen_random_uuid(),
  ack_prefix text not null default 'delivery/ack',
  presence_prefix text not null default 'delivery/acker',
  default_ttl_ms bigint check (default_ttl_ms > 0),
  default_max_retries integer check (default_max_retries >= 0),
  retention_ms bigint check (retention_ms > 0),
  destination_levels integer not null default 0 check (destination_levels between 0 and 100),
  updated_at timestamptz not null default now()
);
insert into publisher.outbox default values;

create table publisher.message_delivery (
  message_id uuid primary key,
  topic text collate "C" not null,
  payload text not null,
  content_encoding text not null default 'utf8',
  content_type text,
  qos smallint not null default 1,
  retain boolean not null default false,
  -- False: PUBACK ends it, with ack_level broker.
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
  -- sha256:<hex> over the content's bytes (decoded when base64).
  checksum text not null,
  reason text,
  ordering_key text collate "C",
  -- Rows of one lane go one at a time, in order of `seq`. The topic is hashed because an index entry holds 2,704 bytes.
  lane text collate "C" generated always as (
    case when ordering_key is not null then 'k:' || ordering_key when retain then 'r:' || md5(topic) end) stored,
  seq bigint not null default nextval('publisher.message_seq'),
  due_at timestamptz default now()
    constraint due_while_live check ((due_at is not null) = (state in ('pending', 'sent'))),
  -- Out of the window because its destination is silent; probed singly.
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
  -- The first ack, which made it acknowledged; further receivers stand in further_acknowledgment.
  acknowledged_at timestamptz,
  acked_by text collate "C" check (octet_length(acked_by) <= 1024),
  ack_level text,
  late boolean not null default false,
  traceparent text
) partition by range (message_id);

-- Live rows only, so that a million finished rows cost the claim nothing.
create index message_delivery_due on publisher.message_delivery (due_at)
  where due_at is not null and lane is null and not parked;
create index message_delivery_lane on publisher.message_delivery (lane, seq)
  where due_at is not null and lane is not null;
-- Used by those statements alone that repeat this predicate to the letter; why: services/publisher/src/outbox/live-rows.ts.
create index message_delivery_live on publisher.message_delivery (message_id)
  where coalesce(due_at, due_at) is not null;
create index message_delivery_parked on publisher.message_delivery ((left(topic, 512)), seq)
  where due_at is not null and parked;
create index message_delivery_retained on publisher.message_delivery ((md5(topic)), seq)
  where due_at is not null and retain;
create index message_delivery_expiry on publisher.message_delivery (expires_at)
  where due_at is not null and expires_at is not null;
create index message_delivery_dead on publisher.message_delivery (state, message_id) include (attempts)
  where state in ('failed', 'expired');

-- Receivers after the first one.
create table publisher.further_acknowledgment (
  message_id uuid not null,
  client_id text collate "C" not null check (octet_length(client_id) <= 1024),
  acknowledged_at timestamptz not null default now(),
  late boolean not null default false,
  level text not null default 'processed' check (level in ('processed', 'broker', 'operator')),
  primary key (message_id, client_id)
) partition by range (message_id);

-- Who processed what, and when: one row per message and receiver. A view, because nearly every message has one receiver,
-- whose ack updates the row anyway: a row of its own beside it cost 6 of a settle's 20 µs.
create view publisher.delivery_acknowledgment as
  select message_id, acked_by client_id, acknowledged_at, late, ack_level level
  from publisher.message_delivery where acknowledged_at is not null
  union all
  select message_id, client_id, acknowledged_at, late, level from publisher.further_acknowledgment;

-- Attempts before the last one, refusals and rejections. The last attempt lives in the row itself, so that a message
-- that is delivered at once costs two writes.
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
  primary key (message_id, seq)
) partition by range (message_id);

create table publisher.message_delivery_default partition of publisher.message_delivery default with (fillfactor = 50);
create table publisher.further_acknowledgment_default partition of publisher.further_acknowledgment default;
create table publisher.delivery_attempt_default partition of publisher.delivery_attempt default;

-- Keys outlive rows: `final_state` is what the row ended as when its partition was dropped.
create table publisher.idempotency (
  key text collate "C" primary key check (octet_length(key) between 1 and 1024),
  message_id uuid not null,
  body_hash text not null,
  expires_at timestamptz not null,
  final_state text
);
create index idempotency_expiry on publisher.idempotency (expires_at);

-- Silent destinations. A row stays until no message is parked in it: `parked_at` null means its messages are being
-- let go. Keyed by a hash because a topic may be longer than an index entry.
create table publisher.destination (
  slot text collate "C" generated always as (md5(destination)) stored primary key,
  destination text collate "C" not null,
  covers_below boolean not null,
  parked_at timestamptz,
  probe_at timestamptz not null,
  pause_ms integer not null,
  misses integer not null default 0,
  last_answer_at timestamptz
);

-- Publishers that work on this outbox now: they share the window of un-acked messages.
create table publisher.replica (
  owner text collate "C" primary key,
  seen_at timestamptz not null default now()
);

-- Counts of acknowledged rows, and of whatever was dropped with its partition, as differences: one row a statement, summed
-- up by the janitor. Exact totals without counting the table.
create table publisher.tally (
  state text not null,
  ack_level text not null default '',
  messages bigint not null,
  retries bigint not null
);

create table publisher.operator_action (
  action_id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  who text not null,
  action text not null,
  detail jsonb not null default '{}',
  messages bigint not null
);
