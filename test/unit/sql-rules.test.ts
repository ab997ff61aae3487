/** The rules for SQL that we ship, each with what breaks it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sqlFaults } from "../support/sql-rules.ts";

const GOOD = "security definer set search_path = pg_catalog, pg_temp";
const faults = (...texts: string[]): number => sqlFaults(texts.map((text, at) => ({ name: `${at}.sql`, text }))).length;

test("valid SQL has no fault", () => {
  for (const text of [
    `create function a.f() returns void language sql ${GOOD} as $$ select 1 $$;`,
    "create function a.f() returns void language sql as $$ select 1 $$ SECURITY DEFINER SET search_path TO pg_catalog,pg_temp",
    `create function a.f() returns void ${GOOD} set lock_timeout = '1s' as $$ begin; end $$ language plpgsql`,
    "-- security definer; grant execute on all functions in schema a to b\nselect 1",
    "/* security definer */ select 1;",
    "create function a.f() returns void language sql as 'select 1'",
    "grant execute on function a.f, a.g to b; revoke all on all functions in schema a from public",
    "alter default privileges in schema a revoke all on tables from b",
    `create function a.f() returns void ${GOOD} as ''; alter function a.f() set lock_timeout = '1s'`,
  ]) {
    assert.deepEqual(sqlFaults([{ name: "x", text }]), []);
  }
});

test("an owner's function without the fixed search_path", () => {
  for (const text of [
    "create function a.f() returns void language sql security definer as $$ select 1 $$",
    "create function a.f() returns void language sql as $$ select 1 $$ security definer",
    "create or replace function a.f() returns void security\n  definer set search_path = public as ''",
    "create function a.f() returns void security definer set search_path = pg_catalog as ''",
    "create function a.f() returns void security definer set search_path = pg_temp, pg_catalog as ''",
    "create function a.f() returns void security definer set search_path = pg_catalog, pg_temp, public as ''",
    "create function a.f() returns void security definer set search_path = pg_catalog, pg_temporary as ''",
    "create procedure a.f() security definer as ''",
    "alter function a.f() security definer",
    "alter function a.f() external security definer",
    "do $$ begin execute 'create function a.f() returns void security definer as ''select 1'''; end $$",
    "create function a.g() returns void as $a$ begin execute $b$alter function a.f() security definer$b$; end $a$",
    "create function a.f() returns void security definer /* set search_path = pg_catalog, pg_temp */ as ''",
    "create function a.f() returns void security definer as $$ set search_path = pg_catalog, pg_temp $$",
  ]) {
    assert.equal(faults(text), 1, text);
  }
});

test("an owner's function that a later file changes", () => {
  const first = `create function a.f() returns void ${GOOD} as ''`;
  for (const text of [
    "create or replace function a.f() returns void as ''",
    "alter function a.f() reset search_path",
    "alter function a.f() reset all",
    "alter function a.f() set search_path = public",
  ]) {
    assert.equal(faults(first, text), 1, text);
  }
  assert.equal(faults(first, `create or replace function a.f() returns void ${GOOD} as ''`), 0);
});

test("functions granted other than by name", () => {
  for (const text of [
    "grant execute on all functions in schema a to b",
    "GRANT ALL PRIVILEGES ON ALL ROUTINES IN SCHEMA a TO b",
    "grant execute on function a.f() to b, public",
    "alter default privileges in schema a grant execute on functions to b",
    "alter default privileges for role o grant all on routines to public",
    "do $$ begin grant execute on all functions in schema a to b; end $$",
  ]) {
    assert.ok(faults(text) >= 1, text);
  }
});
