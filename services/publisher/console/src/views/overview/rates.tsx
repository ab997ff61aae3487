/** Messages per second: accepted, published, acknowledged. */
import { useMemo } from "preact/hooks";
import type { Overview } from "../../api/types.ts";
import { decimal } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { LineChart, type Series } from "../../parts/line-chart.tsx";
import { history } from "../../state/overview.ts";
import { language } from "../../state/preferences.ts";

const RATES = ["accepted", "published", "acknowledged"] as const;
const DASHES = { accepted: undefined, published: [6, 3], acknowledged: [2, 2] } as const;

export function Rates({ overview }: { readonly overview: Overview | null }) {
  const points = history.value;
  const words = language.value;
  const times = useMemo(() => points.map((point) => point.at / 1_000), [points]);
  // The labels follow the language
  const series = useMemo<Series[]>(() => {
    return RATES.map((name, index) => {
      const dash = DASHES[name];
      return {
        label: t(`rates.${name}`),
        color: `series-${index + 1}`,
        values: points.map((point) => point[name]),
        ...(dash === undefined ? {} : { dash }),
      };
    });
  }, [points, words]);
  return (
    <section class="card rates">
      <h2>{t("rates.title")}</h2>
      <ul class="legend">
        {RATES.map((name, index) => (
          <li key={name}>
            <svg viewBox="0 0 20 4" width="20" height="4" aria-hidden="true" class={`series-${index + 1}`}>
              <path
                d="M0 2h20"
                {...(DASHES[name] === undefined ? {} : { "stroke-dasharray": DASHES[name].join(" ") })}
              />
            </svg>
            {t(`rates.${name}`)} <b>{overview === null ? "–" : decimal(overview.rates[name])}</b>
          </li>
        ))}
      </ul>
      <LineChart times={times} series={series} label={t("rates.chart")} />
    </section>
  );
}
