/** Shows that the page is frozen, with a button that returns to now. */
import { clockTime } from "../../i18n/format.ts";
import { t } from "../../i18n/text.ts";
import { Shape } from "../../parts/state-badge.tsx";
import { frozen, recording, thaw } from "../../state/viewpoint.ts";

export function FrozenNotice() {
  const row = frozen.value;
  if (row === null) return null;
  return (
    <p class="notice tone-warn" role="status" data-frozen={row.number}>
      <Shape tone="warn" />
      <span>{t("frozen.at", { time: clockTime(row.ts) })}</span>
      <button type="button" class="plain" onClick={thaw}>
        {recording.value === null ? t("frozen.return") : t("frozen.end")} <kbd>Esc</kbd>
      </button>
    </p>
  );
}
