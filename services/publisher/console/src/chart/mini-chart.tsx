/** @jsxRuntime automatic */
/** @jsxImportSource preact */
/** The small chart of the overview: the names of the states, and which are active. */
import type { MachineDefinition, StateValue } from "@acktor/shared/inspect/wire";
import type { VNode } from "preact";
import { activeStates } from "./active-states.ts";
import { chartAlternative } from "./alternative.ts";
import type { ChartLayout } from "./layout.ts";
import { MINI_HEIGHT, MINI_SIZE, PADDING } from "./metrics.ts";
import { linePath } from "./route-path.ts";
import { type ChartWords, ENGLISH } from "./words.ts";

export interface MiniChartProps {
  /** `Chart.mini` */
  readonly layout: ChartLayout;
  readonly definition: MachineDefinition;
  /** Null: the machine does not run. */
  readonly value: StateValue | null;
  readonly words?: ChartWords | undefined;
}

export function MiniChart({ layout, definition, value, words = ENGLISH }: MiniChartProps): VNode {
  const active = value === null ? null : activeStates(definition, value);
  return (
    <svg
      class="mini-chart"
      role="img"
      aria-label={chartAlternative(definition, active, words)}
      data-machine={definition.id}
      viewBox={`0 0 ${layout.width} ${layout.height}`}
      width={layout.width}
      height={layout.height}
    >
      {layout.routes.map(({ points }) => {
        const path = linePath(points);
        return <path key={path} class="mini-line" d={path} />;
      })}
      {layout.states.map(({ id, kind, x, y, width, height }) => (
        <g
          key={id}
          class={`mini-${kind}`}
          data-mini-state={id}
          aria-current={active?.has(id) === true ? "true" : undefined}
        >
          {kind !== "region" && <rect x={x} y={y} width={width} height={height} rx="5" />}
          <text
            x={kind === "leaf" ? x + width / 2 : x + PADDING / 2}
            y={y + MINI_HEIGHT / 2 + MINI_SIZE * 0.36}
            text-anchor={kind === "leaf" ? "middle" : "start"}
          >
            {id.slice(id.lastIndexOf(".") + 1)}
          </text>
        </g>
      ))}
    </svg>
  );
}
