-- The database and its roles, created once. The owner migrates; services/*/grants.sql grants the services only what their
-- statements need. An application's role: docs/how-to/enqueue-in-your-transaction.md.
\set ON_ERROR_STOP on
\set owner_password `cat /acktor/owner-password`
\set publisher_password `cat /acktor/publisher-password`
\set acker_password `cat /acktor/acker-password`
create role acktor_owner login password :'owner_password';
create role acktor_publisher login password :'publisher_password' connection limit 60;
create role acktor_acker login password :'acker_password' connection limit 60;
create database acktor owner acktor_owner;
revoke all on database acktor, postgres, template1 from public;
grant connect on database acktor to acktor_publisher, acktor_acker;
\connect acktor
drop schema public;
