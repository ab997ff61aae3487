-- The first `levels` levels of a topic, 0 = all of it: shared/src/protocol/topics.ts destinationOf.
create function publisher.destination_of(topic text, levels integer) returns text language sql immutable parallel safe as $$
  select case when levels <= 0 then topic else array_to_string((string_to_array(topic, '/'))[1:levels], '/') end
$$;

-- Whether a destination has this topic: the topic itself, or everything below it.
create function publisher.covers(destination text, covers_below boolean, topic text) returns boolean language sql immutable parallel safe as $$
  select topic = destination or covers_below and starts_with(topic, destination || '/')
$$;

-- The end of the index range that holds a destination's topics; it begins at left(destination, 512). '0' follows '/' in
-- the collation "C", and `covers` decides on what else lies between.
create function publisher.covers_until(destination text, covers_below boolean) returns text language sql immutable parallel safe as $$
  select left(case when covers_below then destination || '0' else destination end, 512) collate "C"
$$;

create index destination_probe on publisher.destination (probe_at) where parked_at is not null;
create index destination_released on publisher.destination (slot) where parked_at is null;
