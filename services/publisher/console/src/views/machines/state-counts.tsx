/** Number of actors in each state, one line per machine. A badge filters the table. */
import { t } from "../../i18n/text.ts";
import { Shape, stateNames } from "../../parts/state-badge.tsx";
import { toneOf } from "../../parts/tone.ts";
import type { LiveInstance } from "../../state/fleet.ts";
import { setParams } from "../../state/router.ts";

interface StateCountsProps {
  readonly instances: readonly LiveInstance[];
  readonly machine: string | null;
  readonly state: string | null;
}

export function StateCounts({ instances, machine, state }: StateCountsProps) {
  const counts = countStates(instances);
  return (
    <section class="card state-counts" aria-label={t("machines.counts")}>
      {[...counts].map(([name, states]) => (
        <div key={name}>
          <b>{name}</b>
          {[...states].map(([key, many]) => {
            const isChosen = machine === name && state === key;
            return (
              <button
                key={key}
                type="button"
                class={`badge tone-${toneOf(key)}`}
                aria-pressed={isChosen}
                data-state-count={`${name}.${key}`}
                onClick={() => setParams(isChosen ? { machine: null, state: null } : { machine: name, state: key })}
              >
                <Shape tone={toneOf(key)} />
                {key} <b>{many}</b>
              </button>
            );
          })}
        </div>
      ))}
    </section>
  );
}

/** Counts by machine and state, both sorted by name, so that no badge moves. */
function countStates(instances: readonly LiveInstance[]): Map<string, Map<string, number>> {
  const counts = new Map<string, Map<string, number>>();
  for (const { actors } of instances) {
    for (const { machine, value } of actors.values()) {
      const states = counts.get(machine) ?? new Map<string, number>();
      counts.set(machine, states);
      for (const name of stateNames(value)) states.set(name, (states.get(name) ?? 0) + 1);
    }
  }
  const sorted = [...counts].sort(([a], [b]) => a.localeCompare(b));
  return new Map(sorted.map(([name, states]) => [name, new Map([...states].sort(([a], [b]) => a.localeCompare(b)))]));
}
