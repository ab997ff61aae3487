-- What the outbox refuses, from whomever it comes.

create function publisher.refuse_move() returns trigger language plpgsql as $$
begin
  raise exception 'a message cannot move from % to %', old.state, new.state
    using errcode = 'check_violation', constraint = 'legal_move', table = 'message_delivery', schema = 'publisher',
      detail = format('message_id %s', old.message_id),
      hint = 'Only replay and a late ack leave failed and expired; nothing leaves acknowledged.';
end $$;

-- The list is that of services/publisher/src/outbox/delivery.ts; a test compares the two.
create trigger legal_move before update of state on publisher.message_delivery
  for each row when (old.state <> new.state and (old.state, new.state) not in (
    ('pending', 'sent'), ('pending', 'acknowledged'), ('pending', 'failed'), ('pending', 'expired'),
    ('sent', 'acknowledged'), ('sent', 'failed'), ('sent', 'expired'),
    ('failed', 'pending'), ('failed', 'acknowledged'),
    ('expired', 'pending'), ('expired', 'acknowledged')))
  execute function publisher.refuse_move();

create function publisher.refuse_birth() returns trigger language plpgsql as $$
begin
  raise exception 'a message is born pending, not %', new.state
    using errcode = 'check_violation', constraint = 'born_pending', table = 'message_delivery', schema = 'publisher',
      detail = format('message_id %s', new.message_id);
end $$;

create trigger born_pending before insert on publisher.message_delivery
  for each row when (new.state <> 'pending' or new.attempts <> 0) execute function publisher.refuse_birth();

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
