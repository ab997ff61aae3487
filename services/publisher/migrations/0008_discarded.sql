-- Dead letters that an operator has looked after: they leave the lists of dead letters, stay failed or expired, and can be
-- replayed one by one. A column and no state, because nothing of the message's life changes. Without a CHECK, because
-- those are evaluated again by every update of a message's life.
alter table publisher.message_delivery add column discarded_at timestamptz;
