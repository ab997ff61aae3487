-- Rights of the publisher's role when an owner migrates for it: what its statements need, by name. `:role` is the role's name,
-- quoted. Run by the owner after the migrations, any number of times; one transaction, so that a running service misses nothing.
--
-- A new table or function is one line here and one in test/security/rights.test.ts.

revoke all on all tables in schema publisher from :role;
revoke all on all sequences in schema publisher from :role;
revoke all on all functions in schema publisher from public, :role;
-- Days are read and written through their parents alone.
alter default privileges in schema publisher revoke all on tables from :role;
grant usage on schema publisher to :role;

grant select on publisher.migration, publisher.outbox to :role;
grant select, insert on publisher.message_delivery, publisher.further_acknowledgment, publisher.delivery_attempt,
  publisher.tally to :role;
grant select on publisher.delivery_acknowledgment to :role;
grant select, insert, update, delete on publisher.idempotency, publisher.destination, publisher.replica, publisher.principal to :role;
grant select, insert, delete on publisher.disk_probe to :role;
grant select on publisher.operator_action to :role;
grant usage on sequence publisher.message_seq, publisher.attempt_seq to :role;

-- What was sent never changes, and a line of the audit has the database's number and time. By exclusion, so that a new column of
-- a message's life needs no line here.
do $$
declare
  one record;
begin
  for one in
    select format('grant %s (%s) on publisher.%I to :role', r.privilege, string_agg(quote_ident(a.attname), ', '), r.relation) statement
    from (values
      ('update', 'message_delivery', '{message_id,topic,payload,content_encoding,content_type,qos,retain,requires_ack,created_at,
        max_retries,ttl_ms,checksum,ordering_key,sender,traceparent,tracestate}'::name[]),
      ('insert', 'operator_action', '{action_id,at}')) r(privilege, relation, fixed)
    join pg_catalog.pg_attribute a on a.attrelid = ('publisher.' || r.relation)::regclass
      and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attname <> all (r.fixed)
    group by r.privilege, r.relation
  loop
    execute one.statement;
  end loop;
end $$;

-- Parts of statements, and of the guards' conditions, which are evaluated with the rights of the role that inserts.
grant execute on function publisher.topic_fault, publisher.content_bytes, publisher.lock_lanes, publisher.wait_for_lane,
  publisher.lock_holder, publisher.refuse_conflict, publisher.destination_of, publisher.signature_key_id, publisher.covers, publisher.covers_until,
  publisher.partition_days, publisher.partition_bounds, publisher.day_of, publisher.day_bound, publisher.retention to :role;
-- With the owner's rights: days that come and go, what has had its time, another ack prefix.
grant execute on function publisher.create_partition, publisher.begin_adoption, publisher.validate_adoption,
  publisher.finish_adoption, publisher.keep_out, publisher.end_adoption,
  publisher.advance_sequences, publisher.drop_partition, publisher.delete_stragglers,
  publisher.purge_actions, publisher.sum_up_tally, publisher.configure to :role;
