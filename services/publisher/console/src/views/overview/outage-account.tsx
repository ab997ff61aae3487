/** One line about the last outage of the broker: messages accepted during it, and their results. */
import type { Outage } from "../../api/types.ts";
import { count, dateTime, duration } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { Shape } from "../../parts/state-badge.tsx";
import { now } from "../../state/clock.ts";

export function OutageAccount({ outage }: { readonly outage: Outage | null }) {
  if (outage === null) return null;
  const { began_at, ended_at, settled, accepted, acknowledged, resent, double } = outage;
  const tone = ended_at === null ? "bad" : settled ? "ok" : "busy";
  const length = duration((ended_at ?? now.value) - began_at);
  const head =
    ended_at === null ? t("outage.now", { length }) : t("outage.over", { length, began: dateTime(began_at) });
  return (
    <p class={`notice outage tone-${tone}`} data-outage={ended_at === null ? "open" : settled ? "settled" : "settling"}>
      <Shape tone={tone} />
      <span>
        <strong>{head}</strong>{" "}
        {t("outage.account", {
          accepted: count(accepted),
          acknowledged: count(acknowledged),
          resent: count(resent),
          double: count(double),
        })}
      </span>
      <span class="dim">{settled ? t("outage.settled") : t("outage.settling")}</span>
    </p>
  );
}
