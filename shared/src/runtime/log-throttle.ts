/**
 * Says a thing of a kind once per window, however often it happens: what others send must not fill our log.
 *
 * Invariants:
 *  1. The first of a kind is said at once; the next one of it after `windowMs` at the earliest, with how many were not.
 *  2. At most `kinds` kinds are remembered; the rest share one. Kinds of an earlier window make room for new ones.
 */
export interface LogThrottle {
  /** How many of this kind went unsaid since the last time, or null: say nothing now. */
  admit(kind: string): number | null;
}

interface Said {
  at: number;
  unsaid: number;
}

/** @param now monotonic milliseconds */
export function createLogThrottle(now: () => number, windowMs = 60_000, kinds = 100): LogThrottle {
  const said = new Map<string, Said>();
  /** At most once per window: a flood of new kinds looks through no map each time. */
  let lookedAt = Number.NEGATIVE_INFINITY;
  function forgetOld(): void {
    const at = now();
    if (at - lookedAt < windowMs) return;
    lookedAt = at;
    for (const [kind, { at: saidAt }] of said) if (at - saidAt >= windowMs) said.delete(kind);
  }
  return {
    admit(kind) {
      if (!said.has(kind) && said.size >= kinds) forgetOld();
      const key = said.has(kind) || said.size < kinds ? kind : "";
      const last = said.get(key);
      if (last === undefined) {
        said.set(key, { at: now(), unsaid: 0 });
        return 0;
      }
      if (now() - last.at < windowMs) {
        last.unsaid++;
        return null;
      }
      const { unsaid } = last;
      said.set(key, { at: now(), unsaid: 0 });
      return unsaid;
    },
  };
}
