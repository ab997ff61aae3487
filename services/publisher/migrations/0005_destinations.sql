-- The first `levels` levels of a topic, 0 = all of it: shared/src/protocol/topics.ts destinationOf.
create function publisher.destination_of(topic text, levels integer) returns text language sql immutable parallel safe as $$
  select case when levels <= 0 then topic else array_to_string((string_to_array(topic, '/'))[1:levels], '/') end
$$;
