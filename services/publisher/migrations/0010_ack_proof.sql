-- What proves an ack, kept for receipts: the signature under the first one that counted, and the attempt token that it covers
-- (null = the row's own lease_token, '' = none). The other fields of the signed text are the row's: id, topic, checksum, acked_by.
alter table publisher.message_delivery add column ack_signature text, add column ack_token text;
alter table publisher.further_acknowledgment add column signature text, add column token text;
-- Of a rejection.
alter table publisher.delivery_attempt add column signature text;

-- The id of the key in a signature `v2:<algorithm>:<key id>:<value>`; version 1 names one for Ed25519 alone.
create function publisher.signature_key_id(signature text) returns text language sql immutable parallel safe as $$
  select case when signature like 'v2:%' then split_part(signature, ':', 3) when signature like 'ed25519:%' then split_part(signature, ':', 2) end
$$;

create or replace view publisher.delivery_acknowledgment as
  select message_id, acked_by client_id, acknowledged_at, late, ack_level level, ack_signature signature,
    publisher.signature_key_id(ack_signature) key_id, coalesce(ack_token, lease_token::text) attempt_token
  from publisher.message_delivery where acknowledged_at is not null
  union all
  select message_id, client_id, acknowledged_at, late, level, signature, publisher.signature_key_id(signature), token
  from publisher.further_acknowledgment;
