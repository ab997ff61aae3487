/** The main figures: messages by state, waiting messages, end-to-end time. */
import type { ComponentChildren } from "preact";
import { MESSAGE_STATES, type Overview } from "../../api/types.ts";
import { count, duration, percent } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { StateBadge } from "../../parts/state-badge.tsx";
import { linkTo } from "../../state/router.ts";

export function Figures({ overview }: { readonly overview: Overview | null }) {
  const latency = overview?.end_to_end;
  const oldest = overview?.oldest_waiting_seconds ?? null;
  return (
    <section class="figures" aria-label={t("figures.label")}>
      <div class="card states">
        <h2>{t("figures.states")}</h2>
        <ul>
          {MESSAGE_STATES.map((state) => (
            <li key={state}>
              <a href={linkTo("/messages", { state })} data-count={state}>
                <b>{show(overview?.counts?.[state], count)}</b>
                <StateBadge state={state} label={t(`state.${state}`)} />
              </a>
            </li>
          ))}
        </ul>
      </div>
      <Figure name={t("figures.waiting")} value={show(overview?.waiting, count)}>
        {oldest === null ? t("figures.nothingWaits") : t("figures.oldest", { time: duration(oldest * 1_000) })}
      </Figure>
      <Figure name={t("figures.endToEnd")} value={show(latency?.p50_ms, duration)}>
        {t("figures.p95", { time: show(latency?.p95_ms, duration) })}
      </Figure>
      <Figure name={t("figures.success")} value={show(overview?.success_rate, percent)}>
        {t("figures.successOf")}
      </Figure>
      <Figure name={t("figures.breaker")} value={show(overview?.breaker.openings, count)}>
        {overview === null ? "–" : <StateBadge state={overview.breaker.state} />}
      </Figure>
    </section>
  );
}

interface FigureProps {
  readonly name: string;
  readonly value: string;
  readonly children: ComponentChildren;
}

function Figure({ name, value, children }: FigureProps) {
  return (
    <div class="card figure">
      <h2>{name}</h2>
      <b>{value}</b>
      <span class="dim">{children}</span>
    </div>
  );
}

function show(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? "–" : format(value);
}
