/** Counts by state, each a link that filters the list. */
import { MESSAGE_STATES, type MessageState } from "../../api/types.ts";
import { count } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { StateBadge } from "../../parts/state-badge.tsx";
import { mayReadAll } from "../../state/me.ts";
import { usePolled } from "../../state/poll.ts";
import { linkTo } from "../../state/router.ts";

interface Stats {
  readonly by_state: Readonly<Record<MessageState, { readonly count: number }>>;
  readonly total_messages: number;
}

export function StateTabs({ chosen, topic }: { readonly chosen: string | null; readonly topic: string | null }) {
  const { value: stats } = usePolled<Stats>(mayReadAll() ? "/v1/stats" : null, 2_000);
  return (
    <ul class="state-tabs card" aria-label={t("messages.byState")}>
      <li>
        <a href={linkTo("/messages", { topic })} {...(chosen === null ? { "aria-current": "true" as const } : {})}>
          <b>{stats === null ? "–" : count(stats.total_messages)}</b> {t("messages.all")}
        </a>
      </li>
      {MESSAGE_STATES.map((state) => (
        <li key={state}>
          <a
            href={linkTo("/messages", { state, topic })}
            data-tab={state}
            {...(chosen === state ? { "aria-current": "true" as const } : {})}
          >
            <b>{stats === null ? "–" : count(stats.by_state[state].count)}</b>
            <StateBadge state={state} label={t(`state.${state}`)} />
          </a>
        </li>
      ))}
    </ul>
  );
}
