-- Operator's commands beside operator's moves of messages: refused ones too, and where they came from.
alter table publisher.operator_action
  add column origin text,
  add column outcome text not null default 'done';
