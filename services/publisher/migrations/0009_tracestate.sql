-- The vendors' part of W3C Trace Context goes with the message beside traceparent. Without a CHECK, because those are
-- evaluated again by every update of a message's life: the intake takes 512 characters at most.
alter table publisher.message_delivery add column tracestate text;
