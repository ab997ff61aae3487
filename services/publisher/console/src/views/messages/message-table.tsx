/** Messages, newest first. */
import type { Message } from "../../api/types.ts";
import { count, dateTime } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { ScrollBox } from "../../parts/scroll-box.tsx";
import { Ago } from "../../parts/since.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { linkTo } from "../../state/router.ts";

export function MessageTable({ messages }: { readonly messages: readonly Message[] | null }) {
  if (messages === null) return <p class="dim">{t("messages.loading")}</p>;
  if (messages.length === 0) return <p class="dim">{t("messages.none")}</p>;
  return (
    <ScrollBox class="scroll-x" label={t("nav.messages")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("message.id")}</th>
            <th scope="col">{t("message.state")}</th>
            <th scope="col">{t("field.topic")}</th>
            <th scope="col" class="number">
              {t("message.retries")}
            </th>
            <th scope="col">{t("message.created")}</th>
            <th scope="col">{t("message.reason")}</th>
          </tr>
        </thead>
        <tbody>
          {messages.map((message) => (
            <tr key={message.message_id} data-message={message.message_id} data-state={message.state}>
              <th scope="row">
                <a class="id" href={linkTo(`/messages/${message.message_id}`)}>
                  {message.message_id}
                </a>
              </th>
              <td>
                <StateBadge state={message.state} label={t(`state.${message.state}`)} />
              </td>
              <td class="topic">{message.topic}</td>
              <td class="number">{count(message.retry_count)}</td>
              <td title={dateTime(message.created_at)}>
                <Ago at={Date.parse(message.created_at)} />
              </td>
              <td>{reasonOf(message)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}

function reasonOf({ parked, reason, late }: Message): string {
  if (reason !== null) return reason;
  if (parked) return t("destinations.parked");
  return late ? t("message.late") : "";
}
