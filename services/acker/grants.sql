-- Rights of the acker's role when an owner migrates for it: what its statements need, by name. `:role` is the role's name,
-- quoted. Run by the owner after the migrations, any number of times; one transaction, so that a running service misses nothing.
--
-- A new table or function is one line here and one in test/security/rights.test.ts.

revoke all on all tables in schema acker from :role;
revoke all on all functions in schema acker from public, :role;
-- Days are read and written through their parent alone.
alter default privileges in schema acker revoke all on tables from :role;
grant usage on schema acker to :role;

grant select on acker.migration to :role;
grant select, insert, update on acker.inbox to :role;
-- acker.begin_batch alone makes its rows.
grant select, update, delete on acker.batch_lease to :role;
grant select, insert, delete on acker.disk_probe to :role;

grant execute on function acker.require_leases to :role;
-- With the owner's rights: days that come and go, what has had its time, the gate between ackers.
grant execute on function acker.ensure_inbox_partitions, acker.drop_old_inbox_partition, acker.delete_old_rows,
  acker.begin_batch, acker.in_batches to :role;
