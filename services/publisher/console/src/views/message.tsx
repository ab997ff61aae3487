/** One message: its details, timeline and actions. */
import type { MessageTimeline, Receipts } from "../api/types.ts";
import { count, dateTime, duration } from "../i18n/format.ts";
import { t } from "../i18n/text.ts";
import { Fault } from "../parts/fault.tsx";
import { ScrollBox } from "../parts/scroll-box.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { usePolled } from "../state/poll.ts";
import { linkTo } from "../state/router.ts";
import { MessageActions } from "./messages/message-actions.tsx";
import { Timeline } from "./messages/timeline.tsx";
import { NotFound } from "./not-found.tsx";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function MessageView({ id }: { readonly id: string }) {
  const isId = UUID.test(id);
  const { value: message, fault, again } = usePolled<MessageTimeline>(isId ? `/v1/messages/${id}` : null, 1_000);
  const { value: known } = usePolled<Receipts>(isId ? `/v1/messages/${id}/receipts` : null, 2_000);
  if (!isId || fault?.status === 404) return <NotFound what={id} />;
  return (
    <div class="message">
      <div class="view-head">
        <h1>
          {t("message.title")} <code class="id">{id}</code>
        </h1>
        {message !== null && <StateBadge state={message.state} label={t(`state.${message.state}`)} />}
        <span class="spacer" />
        {message !== null && <MessageActions message={message} onDone={again} />}
      </div>
      {fault !== null && fault.status !== 401 && <Fault refusal={fault} />}
      {message === null ? (
        <p class="dim">{t("messages.loading")}</p>
      ) : (
        <div class="message-grid">
          <section class="card">
            <h2>{t("timeline.title")}</h2>
            <Timeline message={message} receipts={known?.receipts ?? []} />
          </section>
          <Facts message={message} />
        </div>
      )}
    </div>
  );
}

function Facts({ message }: { readonly message: MessageTimeline }) {
  const facts: readonly (readonly [name: string, value: string | null])[] = [
    [t("message.reason"), message.reason],
    [t("message.retries"), count(message.retry_count)],
    [t("message.maxRetries"), message.max_retries === null ? t("message.noLimit") : count(message.max_retries)],
    [t("message.qos"), String(message.qos) + (message.retain ? ", retain" : "")],
    [t("message.expires"), message.expires_at === null ? t("message.never") : dateTime(message.expires_at)],
    [t("message.held"), message.held_until === null ? null : dateTime(message.held_until)],
    [t("message.due"), message.due_at === null ? null : dateTime(message.due_at)],
    [t("message.key"), message.ordering_key],
    [t("message.owner"), message.lease_owner],
    [t("message.took"), tookOf(message)],
    [t("message.contentType"), message.content_type],
    [t("message.checksum"), message.checksum],
  ];
  return (
    <section class="card facts">
      <h2>{t("message.facts")}</h2>
      <dl class="context">
        <div>
          <dt>{t("field.topic")}</dt>
          <dd>
            <a href={linkTo("/messages", { topic: message.topic })}>{message.topic}</a>
          </dd>
        </div>
        {facts
          .filter(([, value]) => value !== null)
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      <h2>{t("field.content")}</h2>
      <ScrollBox class="scroll" label={t("field.content")}>
        <pre class="payload">{message.payload}</pre>
      </ScrollBox>
    </section>
  );
}

function tookOf({ acknowledged_at, created_at }: MessageTimeline): string | null {
  return acknowledged_at === null ? null : duration(Date.parse(acknowledged_at) - Date.parse(created_at));
}
