/** Dead letters by reason; each group can be replayed. */
import { useState } from "preact/hooks";
import type { DeadLetterGroup, DeadLetterGroups } from "../../api/types.ts";
import { count } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { ScopedButton } from "../../parts/scoped-button.tsx";
import { Ago } from "../../parts/since.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { may } from "../../state/me.ts";
import { usePolled } from "../../state/poll.ts";
import { linkTo } from "../../state/router.ts";
import { Sweep } from "./sweep.tsx";

export function DeadLetters({ onReplayed }: { readonly onReplayed: () => void }) {
  const { value, again } = usePolled<DeadLetterGroups>(may("read") ? "/v1/dead-letters" : null, 5_000);
  const [asked, setAsked] = useState<DeadLetterGroup | null>(null);
  const groups = value?.groups ?? [];
  return (
    <section class="card dead-letters">
      <h2>{t("dead.title")}</h2>
      {groups.length === 0 && <p class="dim">{t("dead.none")}</p>}
      <ul>
        {groups.map((group) => (
          <li key={`${group.state} ${group.reason}`} data-dead={group.reason ?? group.state}>
            <a href={linkTo("/messages", { state: group.state })}>
              <b>{count(group.count)}</b> {group.reason ?? t("dead.noReason")}
            </a>
            <StateBadge state={group.state} label={t(`state.${group.state}`)} />
            <span class="dim">
              {t("dead.newest")} <Ago at={Date.parse(group.newest)} />
            </span>
            {group.reason !== null && (
              <ScopedButton scope="operate" class="plain" onClick={() => setAsked(group)}>
                {t("dead.replay")}
              </ScopedButton>
            )}
          </li>
        ))}
      </ul>
      {value?.complete === false && <p class="dim">{t("dead.incomplete")}</p>}
      {asked !== null && (
        <Sweep
          kind="replay"
          topic={null}
          reason={asked.reason}
          onDone={() => {
            setAsked(null);
            again();
            onReplayed();
          }}
          onClose={() => setAsked(null)}
        />
      )}
    </section>
  );
}
