-- Rights of the acker's role when an owner migrates for it: the rows of its schema, nothing else. `:role` is the role's
-- name, quoted. Run by the owner after the migrations, any number of times.

grant usage on schema acker to :role;
revoke all on all functions in schema acker from public;
grant execute on all functions in schema acker to :role;
grant select, insert, update, delete on all tables in schema acker to :role;
revoke insert, update, delete on acker.migration from :role;
-- Days that are made later are the owner's too.
alter default privileges in schema acker grant select, insert, update, delete on tables to :role;

-- What needs an owner while the service runs: days come and go. Names in them are qualified or PostgreSQL's own.
alter function acker.ensure_inbox_partitions(integer) security definer set search_path = pg_catalog, pg_temp;
alter function acker.drop_old_inbox_partition(interval) security definer set search_path = pg_catalog, pg_temp;
