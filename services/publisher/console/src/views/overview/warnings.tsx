/** Warnings that need an operator. */
import { DATABASE_KINDS } from "@acktor/shared/runtime/database-state";
import { databaseWords } from "@acktor/shared/texts/database-words";
import type { Warning } from "../../api/types.ts";
import { count, duration } from "../../i18n/format.ts";
import { t, textOf } from "../../i18n/text.ts";
import { Shape } from "../../parts/state-badge.tsx";
import type { Tone } from "../../parts/tone.ts";
import { now } from "../../state/clock.ts";
import { language } from "../../state/preferences.ts";

const TONES: Readonly<Record<string, Tone>> = {
  postgres_away: "bad",
  broker_away: "bad",
  breaker_open: "bad",
  high_water: "bad",
  failing: "bad",
};

/** Warnings whose text contains the duration. */
const WITH_DURATION: ReadonlySet<string> = new Set(["no_acker", "old_waiting"]);

export function Warnings({ warnings }: { readonly warnings: readonly Warning[] | null }) {
  if (warnings === null) return <p class="notice calm">{t("overview.loading")}</p>;
  return (
    <ul class="warnings" aria-live="polite" aria-label={t("warnings.label")}>
      {warnings.length === 0 && (
        <li class="notice calm">
          <Shape tone="ok" />
          {t("warnings.none")}
        </li>
      )}
      {warnings.map((warning) => {
        const tone = TONES[warning.code] ?? "warn";
        return (
          <li
            key={`${warning.code} ${warning["area"] ?? ""}`}
            class={`notice tone-${tone}`}
            data-warning={warning.code}
          >
            <Shape tone={tone} />
            <span>{wordsOf(warning)}</span>
            {!WITH_DURATION.has(warning.code) && (
              <span class="dim">{t("warnings.since", { time: duration(Math.max(0, now.value - warning.since)) })}</span>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function wordsOf(warning: Warning): string {
  const params: Record<string, string> = { time: duration(Math.max(0, now.value - warning.since)) };
  for (const [name, value] of Object.entries(warning)) {
    params[name] = typeof value === "number" ? count(value) : (value ?? "–");
  }
  if (warning.code === "postgres_away") {
    const known = DATABASE_KINDS.find((kind) => kind === warning["state"]);
    const { says, remedy } = databaseWords(known ?? "unreachable", language.value);
    Object.assign(params, { database: says, remedy });
  }
  if (typeof warning["seconds"] === "number") params["age"] = duration(warning["seconds"] * 1_000);
  return textOf(`warning.${warning.code}`, params) ?? warning.code;
}
