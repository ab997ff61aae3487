-- Principals: who may use the HTTP interface in addition to the holder of ACKTOR_API_TOKEN, and what belongs to each of them.

-- One row for each name. The token itself is stored nowhere: `token_hash` is the hex SHA-256 of a text with 256 random bits,
-- which needs no salt. Publishers read this table once a second (services/publisher/src/principals/principal-book.ts).
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

-- Who sent a message: the principal's name; null for ACKTOR_API_TOKEN and for callers without a token. SQL callers are
-- recorded as sql:<role>.
alter table publisher.message_delivery add column if not exists sender text collate "C";

-- For the quota of waiting messages. Statements that use it repeat the predicate to the letter; messages without a
-- principal cost nothing here.
create index message_delivery_sender on publisher.message_delivery (sender)
  where coalesce(due_at, due_at) is not null and sender is not null and not starts_with(sender, 'sql:');

-- Idempotency keys belong to a principal. The owner '' is ACKTOR_API_TOKEN, callers without a token, NATS and SQL.
alter table publisher.idempotency
  add column owner text collate "C" not null default '',
  drop constraint idempotency_pkey,
  add constraint idempotency_pkey primary key (owner, key);

-- `who` is the authenticated principal; `said` is the name that the caller gave for itself.
alter table publisher.operator_action add column said text;
