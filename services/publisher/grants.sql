-- Rights of the publisher's role when an owner migrates for it: the rows of its schema, nothing else. `:role` is the role's
-- name, quoted. Run by the owner after the migrations, any number of times.

grant usage on schema publisher to :role;
revoke all on all functions in schema publisher from public;
grant execute on all functions in schema publisher to :role;
grant select, insert, update, delete on all tables in schema publisher to :role;
revoke insert, update, delete on publisher.migration from :role;
grant usage, select on all sequences in schema publisher to :role;
-- Days that are made later are the owner's too.
alter default privileges in schema publisher grant select, insert, update, delete on tables to :role;

-- What needs an owner while the service runs: days come and go, and a new ack prefix rebuilds its guard. These three do
-- only that, whoever calls them; names in them are qualified or PostgreSQL's own.
alter function publisher.create_partition(date) security definer set search_path = pg_catalog, pg_temp;
alter function publisher.drop_partition(date) security definer set search_path = pg_catalog, pg_temp;
alter function publisher.guard_prefixes(text, text) security definer set search_path = pg_catalog, pg_temp;
