/** A message's moments, each linked to the log at its time. */
import type { MessageTimeline, Receipt } from "../../api/types.ts";
import { clockTime, count, dateTime } from "../../i18n/format.ts";
import { t, textOf } from "../../i18n/text.ts";
import { Shape, StateBadge } from "../../parts/state-badge.tsx";
import type { Tone } from "../../parts/tone.ts";
import { journal, pulse } from "../../state/live.ts";
import { linkTo } from "../../state/router.ts";
import { type Moment, momentsOf } from "./moments.ts";

interface Props {
  readonly message: MessageTimeline;
  readonly receipts: readonly Receipt[];
}

export function Timeline({ message, receipts }: Props) {
  pulse.value;
  return (
    <ol class="timeline">
      {momentsOf(message, journal.rows, receipts).map((moment, index) => (
        // Moments have no id, and the list only grows.
        <li key={index} class={`tone-${toneOf(moment)}`} data-moment={moment.kind} data-outcome={moment.outcome ?? ""}>
          <Shape tone={toneOf(moment)} />
          <div>
            <b>{t(`moment.${moment.kind}`, { attempt: moment.attempt ?? 0 })}</b> <Details moment={moment} />
          </div>
          {moment.at !== null && (
            <time dateTime={moment.at} title={dateTime(moment.at)}>
              {clockTime(Date.parse(moment.at))}
            </time>
          )}
          {moment.at !== null && moment.kind !== "waiting" && (
            <a href={linkTo("/log", { at: moment.at })}>{t("timeline.log")}</a>
          )}
        </li>
      ))}
    </ol>
  );
}

function Details({ moment: { kind, who, outcome, reasonCode, breaker, detail, times } }: { readonly moment: Moment }) {
  return (
    <span class="details">
      {kind === "attempt" && <span>{t(`outcome.${outcome ?? "none"}` as "outcome.none")}</span>}
      {kind === "acked" && <span>{textOf(`level.${outcome}`) ?? outcome}</span>}
      {reasonCode !== null && <code>{reasonWords(reasonCode)}</code>}
      {who !== null && <span>{who}</span>}
      {detail !== null && <span>{detail === "late" ? t("message.late") : detail}</span>}
      {times !== null && times > 1 && <span>{t("timeline.times", { count: count(times) })}</span>}
      {breaker !== null && <StateBadge state={breaker} label={t("timeline.breaker", { state: breaker })} />}
    </span>
  );
}

/** A PUBACK's reason code, as the MQTT standard writes it. */
function reasonWords(code: number): string {
  const hex = `0x${code.toString(16).padStart(2, "0").toUpperCase()}`;
  return `PUBACK ${hex}${code === 0x10 ? ` ${t("timeline.noSubscriber")}` : ""}`;
}

function toneOf({ kind, outcome }: Moment): Tone {
  if (kind === "acked" || kind === "received" || kind === "processed") return "ok";
  if (kind === "failed" || kind === "refused") return "bad";
  if (kind === "attempt") return outcome === "acked" ? "ok" : "warn";
  if (kind === "expired" || kind === "duplicate") return "warn";
  return kind === "waiting" ? "busy" : "idle";
}
