/** A state: shape, word, colour. The shape repeats the colour for readers who do not see colours. */
import type { StateValue } from "@acktor/shared/inspect/wire";
import type { VNode } from "preact";
import { gravest, type Tone, toneOf } from "./tone.ts";

const SHAPES: Readonly<Record<Tone, VNode>> = {
  ok: <circle cx="5" cy="5" r="4" />,
  busy: <path d="M5 1a4 4 0 0 1 0 8z M5 1a4 4 0 0 0 0 8" class="half" />,
  warn: <path d="M5 .8 9.6 9H.4z" />,
  bad: <path d="M1 1h8v8H1z" />,
  idle: <circle cx="5" cy="5" r="3.2" class="hollow" />,
};

export function Shape({ tone }: { readonly tone: Tone }) {
  return (
    <svg class={`shape tone-${tone}`} viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
      {SHAPES[tone]}
    </svg>
  );
}

export function StateBadge({ state, label = state }: { readonly state: string; readonly label?: string }) {
  const tone = toneOf(state);
  return (
    <span class={`badge tone-${tone}`}>
      <Shape tone={tone} />
      {label}
    </span>
  );
}

/** The active state of each region: `CONNECTED`, `CLOSED`. */
export function stateNames(value: StateValue): string[] {
  if (typeof value === "string") return [value];
  return Object.values(value).flatMap(stateNames);
}

export function toneOfValue(value: StateValue): Tone {
  return gravest(stateNames(value).map(toneOf));
}
