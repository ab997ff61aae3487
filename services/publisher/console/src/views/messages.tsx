/** Messages: counts by state, a filtered list, dead letters by reason, replay and cancel of many. */
import { useState } from "preact/hooks";
import type { MessagePage } from "../api/types.ts";
import { t } from "../i18n/text.ts";
import { Fault } from "../parts/fault.tsx";
import { Pager } from "../parts/pager.tsx";
import { ScopedButton } from "../parts/scoped-button.tsx";
import { may } from "../state/me.ts";
import { usePolled } from "../state/poll.ts";
import { route } from "../state/router.ts";
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
  const { value: page, fault, again } = usePolled<MessagePage>(may("read") ? `/v1/messages?${query}` : null, EVERY_MS);
  const [sweep, setSweep] = useState<"replay" | "cancel" | null>(null);
  return (
    <div class="messages">
      <div class="view-head">
        <h1>{t("nav.messages")}</h1>
        <span class="spacer" />
        <SweepButtons state={state} topic={topic} onSweep={setSweep} />
        <SendOne onSent={again} />
      </div>
      {!may("read") && <p class="notice tone-warn">{t("scope.missing", { scope: "read" })}</p>}
      <StateTabs chosen={state} topic={topic} />
      <TopicFilter topic={topic} />
      {fault !== null && fault.status !== 401 && <Fault refusal={fault} />}
      <div class="messages-grid">
        <section class="card">
          <MessageTable messages={page?.messages ?? null} />
          <Pager path="/messages" filters={{ state, topic }} before={before} next={page?.next_before ?? null} />
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

interface SweepButtonsProps {
  readonly state: string | null;
  readonly topic: string | null;
  readonly onSweep: (kind: "replay" | "cancel") => void;
}

function SweepButtons({ state, topic, onSweep }: SweepButtonsProps) {
  const isDead = state === "failed" || state === "expired";
  return (
    <>
      {topic !== null && !isDead && (
        <ScopedButton scope="operate" class="plain" onClick={() => onSweep("cancel")}>
          {t("messages.cancelAll")}
        </ScopedButton>
      )}
      {(isDead || topic !== null) && (
        <ScopedButton scope="operate" class="plain" onClick={() => onSweep("replay")}>
          {t("messages.replayAll")}
        </ScopedButton>
      )}
    </>
  );
}
