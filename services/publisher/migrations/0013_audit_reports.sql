-- A report of an acker, signed, is one line of the audit: the nonce of its signature stands here, and stands once.
alter table publisher.operator_action add column report text;
create unique index operator_action_report on publisher.operator_action (report) where report is not null;
