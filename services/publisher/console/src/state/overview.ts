/** The overview's figures, polled each second while its page is visible, with a history for the chart. */
import { signal } from "@preact/signals";
import type { Refusal } from "../api/answer.ts";
import { get } from "../api/client.ts";
import type { Overview } from "../api/types.ts";

const EVERY_MS = 1_000;
/** Five minutes. */
const HISTORY = 300;

export interface RatePoint {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly accepted: number;
  readonly published: number;
  readonly acknowledged: number;
}

export const overview = signal<Overview | null>(null);
export const overviewFault = signal<Refusal | null>(null);
export const history = signal<readonly RatePoint[]>([]);

/** Starts polling. @returns a function that stops it */
export function followOverview(): () => void {
  let isStopped = false;
  let timer = 0;
  const ask = async (): Promise<void> => {
    if (!document.hidden) await refresh();
    if (!isStopped) timer = window.setTimeout(() => void ask(), EVERY_MS);
  };
  void ask();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

async function refresh(): Promise<void> {
  const answer = await get<Overview>("/v1/overview");
  if (!answer.ok) {
    overviewFault.value = answer;
    return;
  }
  overviewFault.value = null;
  overview.value = answer.value;
  const { at, rates } = answer.value;
  history.value = [...history.value.slice(1 - HISTORY), { at, ...rates }];
}
