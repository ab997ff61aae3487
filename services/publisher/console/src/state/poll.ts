/** A value that is polled while it is shown, and immediately when the path changes. */
import { useCallback, useEffect, useState } from "preact/hooks";
import type { Answer, Refusal } from "../api/answer.ts";
import { get } from "../api/client.ts";

export interface Polled<T> {
  /** Null: no answer yet. After a failure the last value stays. */
  readonly value: T | null;
  readonly fault: Refusal | null;
  readonly again: () => void;
}

/** @param path null: no request is sent */
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
