/** Messages: counts by state, a list that the address filters, failures by reason, and what one may do to many. */
import { useState } from "preact/hooks";
import type { MessagePage } from "../api/types.ts";
import { t } from "../i18n/text.ts";
import { Fault } from "../parts/fault.tsx";
import { usePolled } from "../state/poll.ts";
import { linkTo, route } from "../state/router.ts";
import { DeadLetters } from "./messages/dead-letters.tsx";
import { MessageTable } from "./messages/message-table.tsx";
import { SendOne } from "./messages/send-one.tsx";
import { StateTabs } from "./messages/state-tabs.tsx";
import { Sweep } from "./messages/sweep.tsx";
import { TopicFilter } from "./messages/topic-filter.tsx";

const EVERY_MS = 2_000;
const PAGE = 50;

export function MessagesView() {
  const { params } = route.value;
  const [state, topic, before] = [params.get("state"), params.get("topic"), params.get("before")];
  const query = new URLSearchParams({ limit: String(PAGE) });
  for (const [name, value] of Object.entries({ state, topic, before })) if (value !== null) query.set(name, value);
  const { value: page, fault, again } = usePolled<MessagePage>(`/v1/messages?${query}`, EVERY_MS);
  const [sweep, setSweep] = useState<"replay" | "cancel" | null>(null);
  const isDead = state === "failed" || state === "expired";
  return (
    <div class="messages">
      <div class="view-head">
        <h1>{t("nav.messages")}</h1>
        <span class="spacer" />
        {topic !== null && !isDead && (
          <button type="button" class="plain" onClick={() => setSweep("cancel")}>
            {t("messages.cancelAll")}
          </button>
        )}
        {(isDead || topic !== null) && (
          <button type="button" class="plain" onClick={() => setSweep("replay")}>
            {t("messages.replayAll")}
          </button>
        )}
        <SendOne onSent={again} />
      </div>
      <StateTabs chosen={state} topic={topic} />
      <TopicFilter topic={topic} />
      {fault !== null && fault.status !== 401 && <Fault refusal={fault} />}
      <div class="messages-grid">
        <section class="card">
          <MessageTable messages={page?.messages ?? null} />
          <nav class="pager" aria-label={t("messages.pages")}>
            {before !== null && <a href={linkTo("/messages", { state, topic })}>{t("messages.newest")}</a>}
            {page?.next_before != null && (
              <a href={linkTo("/messages", { state, topic, before: page.next_before })}>{t("messages.older")}</a>
            )}
          </nav>
        </section>
        <DeadLetters onReplayed={again} />
      </div>
      {sweep !== null && (
        <Sweep
          kind={sweep}
          topic={topic}
          reason={null}
          onDone={() => {
            setSweep(null);
            again();
          }}
          onClose={() => setSweep(null)}
        />
      )}
    </div>
  );
}
