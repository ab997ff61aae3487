-- One lease for a batch, so that a message whose handler answers at once is written once: with its outcome and its effect.
--
-- While its handlers run, the messages of a batch stand in a row here instead of as `received` rows in the inbox. They leave it in
-- the statement that writes them. A row that outlives its lease was left by a process that died: its messages are suspects, as
-- those whose own lease ended (migration 0002).
--
-- Invariants:
--  1. A message is in one batch at most, and not in the inbox when it comes into one; whoever receives it meanwhile leaves it.
--     Both sides take the advisory lock, then look, with a snapshot of their own: a function's statements have one each.
--  2. A row is rewritten in place, one for each lane of a process: inserts and deletes would leave a table of the dead behind,
--     which every batch would have to read.
--
-- An acker from before this migration does not look here: beside one a handler may run twice at the same time, with one effect.

create table acker.batch_lease (
  run text not null,
  lane smallint not null,
  -- Null: none at present.
  lease_until timestamptz,
  message_ids uuid[] not null,
  -- Its bounds, so that what a crash left long ago costs later batches one comparison.
  least_id uuid,
  most_id uuid,
  primary key (run, lane),
  constraint batch_lease_size check (cardinality(message_ids) <= 1000),
  constraint batch_lease_whole check ((lease_until is null) = (cardinality(message_ids) = 0) and
    (lease_until is null) = (least_id is null) and (lease_until is null) = (most_id is null))
) with (fillfactor = 25);

comment on table acker.batch_lease is 'Messages whose handlers run before their row is written, by process and lane.';

-- Takes a batch on, its ids in ascending order; false when one of it is in the inbox or in a batch, and nothing has changed then.
-- Losing it with a crash of the server would only free the messages, so the commit waits for no disk. Nor does it wait long for
-- those who receive: one of them may wait for a row, with the lock in its hands, and everybody else would queue behind us.
create function acker.begin_batch(by_run text, by_lane smallint, ids uuid[], lease interval) returns boolean language plpgsql
  set lock_timeout = '100ms' as $$
declare
  least_of uuid := ids[1];
  most_of uuid := ids[cardinality(ids)];
begin
  perform pg_advisory_xact_lock(1633907563, 3);
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

-- Which of these, in ascending order, stand in a batch other than the caller's own. `crashed`: left by another process that died.
create function acker.in_batches(ids uuid[], by_run text, own_lane smallint)
  returns table (message_id uuid, live boolean, crashed boolean) language plpgsql as $$
declare
  least_of uuid := ids[1];
  most_of uuid := ids[cardinality(ids)];
begin
  perform pg_advisory_xact_lock_shared(1633907563, 3);
  return query
    select i, bool_or(b.lease_until > now()), bool_or(b.lease_until <= now() and b.run <> by_run)
    from acker.batch_lease b, unnest(b.message_ids) i
    where b.least_id <= most_of and b.most_id >= least_of and (b.run, b.lane) is distinct from (by_run, own_lane) and i = any(ids)
    group by i;
end $$;
