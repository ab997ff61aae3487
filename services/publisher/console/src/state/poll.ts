/** A value that is asked for again and again while it is shown, and at once when what is asked changes. */
import { useCallback, useEffect, useState } from "preact/hooks";
import type { Answer, Refusal } from "../api/answer.ts";
import { get } from "../api/client.ts";

export interface Polled<T> {
  /** Null: no answer yet. The last good one stays while later ones fail. */
  readonly value: T | null;
  readonly fault: Refusal | null;
  readonly again: () => void;
}

/** @param path null: nothing is asked */
export function usePolled<T>(path: string | null, everyMs: number): Polled<T> {
  const [state, setState] = useState<{
    readonly path: string | null;
    readonly value: T | null;
    readonly fault: Refusal | null;
  }>({
    path,
    value: null,
    fault: null,
  });
  const [round, setRound] = useState(0);
  const again = useCallback(() => setRound((before) => before + 1), []);
  // A new round asks again
  useEffect(() => {
    let isGone = false;
    let timer = 0;
    const ask = async (): Promise<void> => {
      if (path === null) return;
      if (!document.hidden) {
        const answer: Answer<T> = await get<T>(path);
        if (isGone) return;
        setState((before) => {
          if (answer.ok) return { path, value: answer.value, fault: null };
          return { path, value: before.path === path ? before.value : null, fault: answer };
        });
      }
      timer = window.setTimeout(() => void ask(), everyMs);
    };
    void ask();
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  }, [path, everyMs, round]);
  return { value: state.value, fault: state.fault, again };
}
