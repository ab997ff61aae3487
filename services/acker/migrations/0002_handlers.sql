-- Handlers whose process dies: counted, so that a message that kills whoever touches it ends as rejected.
--
-- crashes: how often a lease ended without an outcome. The first time is a suspicion, because a message that merely waited
-- for its handler loses its lease too; from then on it counts only when `handling` says that its handler had begun.

alter table acker.inbox
  add column crashes smallint not null default 0,
  add column handling boolean not null default false;

-- The end of a statement that carries a handler's effect: undoes all of it when a lease was lost meanwhile.
create function acker.require_leases(held bigint, wanted integer) returns boolean language plpgsql as $$
begin
  if held = wanted then return true; end if;
  raise exception 'acker: % of % leases are lost; the effect is undone', wanted - held, wanted using errcode = 'ACK01';
end $$;
