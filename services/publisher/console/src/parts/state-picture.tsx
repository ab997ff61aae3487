/** An actor's statechart: the layout of the build, with the actor's active states. */
import type { MachineDefinition } from "@acktor/shared/inspect/wire";
import { useCallback, useState } from "preact/hooks";
import { CHARTS } from "../chart/charts.ts";
import type { Chart } from "../chart/layout.ts";
import { MiniChart } from "../chart/mini-chart.tsx";
import { Outline } from "../chart/outline.tsx";
import { type Selected, Statechart } from "../chart/statechart.tsx";
import { type ChartWords, ENGLISH, JAPANESE } from "../chart/words.ts";
import { t } from "../i18n/text.ts";
import type { LiveActor } from "../state/fleet.ts";
import { language } from "../state/preferences.ts";
import { ScrollBox } from "./scroll-box.tsx";

/** Below this scale the labels are unreadable; a button shows the full size. */
const LEAST_SCALE = 0.55;

interface PictureProps {
  readonly definition: MachineDefinition;
  readonly actor: LiveActor;
}

export function MiniPicture({ definition, actor }: PictureProps) {
  const chart = chartOf(definition);
  if (chart === null) return null;
  return <MiniChart layout={chart.mini} definition={definition} value={actor.value} words={words()} />;
}

interface DetailProps extends PictureProps {
  /** The time that is shown, milliseconds since 1970; absent: now. */
  readonly at?: number;
  /** How many actors of this machine are in each state. */
  readonly counts?: Readonly<Record<string, number>>;
  readonly hasOutline?: boolean;
}

/** The chart, and the same as an outline; a selection is marked in both. */
export function Picture({ definition, actor, at, counts, hasOutline = false }: DetailProps) {
  const [selected, setSelected] = useState<Selected | null>(null);
  const [isFull, setFull] = useState(false);
  const now = useCallback(() => at ?? Date.now(), [at]);
  const chart = chartOf(definition);
  const shown = {
    definition,
    snapshot: actor,
    last: actor.edges,
    now,
    words: words(),
    selected,
    onSelect: setSelected,
  };
  return (
    <>
      {chart !== null && (
        <div class="picture-frame">
          <ScrollBox
            class="picture"
            label={t("actor.chart")}
            leastWidth={(isFull ? 1 : LEAST_SCALE) * chart.layout.width}
          >
            <Statechart {...shown} layout={chart.layout} counts={counts} />
          </ScrollBox>
          <button type="button" class="plain zoom" aria-pressed={isFull} onClick={() => setFull(!isFull)}>
            {t("actor.fullSize")}
          </button>
        </div>
      )}
      {hasOutline && (
        <details open={chart === null}>
          <summary>{t("actor.outline")}</summary>
          <Outline {...shown} />
        </details>
      )}
    </>
  );
}

/** The layout of a machine; null if the running machine differs from the one of the build. */
function chartOf(definition: MachineDefinition): Chart | null {
  const chart = Object.hasOwn(CHARTS, definition.id) ? CHARTS[definition.id] : undefined;
  const drawn = new Set(chart?.layout.states.map(({ id }) => id));
  const isSame = definition.states.every(({ id, parent }) => parent === null || drawn.has(id));
  return chart === undefined || !isSame ? null : chart;
}

function words(): ChartWords {
  return language.value === "ja" ? JAPANESE : ENGLISH;
}
