/**
 * Polls messages until each is acknowledged, failed or expired.
 *
 * Invariants:
 *  WAIT-1. The wait ends when no message is open, at the timeout, at Ctrl-C, or when the service has not answered for
 *          `PATIENCE_MS`.
 *  WAIT-2. One request at a time asks for `ROUND` open messages; those that stay open are asked for last.
 */
import { pause } from "@acktor/shared/runtime/pause";
import type { Api } from "../api/api.ts";
import { type CliFailure, EXIT, type Result } from "../exit.ts";
import type { Session } from "../session.ts";
import type { Progress } from "../terminal/progress.ts";

export interface Ends {
  readonly acknowledged: number;
  readonly failed: number;
  readonly expired: number;
  readonly open: number;
  readonly seconds: number;
}

/** The most ids that the service answers in one request. */
const ROUND = 1_000;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;
/** Long enough for a restart of the service. */
const PATIENCE_MS = 5_000;

export function isOver({ open }: Ends): boolean {
  return open === 0;
}

export async function waitForAcks(
  session: Session,
  api: Api,
  ids: readonly string[],
  timeoutMs: number,
  progress: Progress,
): Promise<Result<Ends>> {
  const { clock, signal, texts } = session;
  const begin = clock.now();
  const counts = { acknowledged: 0, failed: 0, expired: 0 };
  let open = [...ids];
  let heardAt = begin;
  let pauseMs = FIRST_PAUSE_MS;
  // WAIT-1
  while (open.length > 0 && clock.now() - begin < timeoutMs && !signal.aborted) {
    const round = await askRound(api, open.slice(0, ROUND));
    if (round.failure === null) heardAt = clock.now();
    else if (round.failure.exit === EXIT.usage || clock.now() - heardAt > PATIENCE_MS)
      return { ok: false, failure: round.failure };
    for (const state of round.ended.values()) counts[state]++;
    // WAIT-2: a thousand stuck messages must not hide the others.
    open = [...open.slice(ROUND), ...open.slice(0, ROUND).filter((id) => !round.ended.has(id))];
    progress.show(texts.send.waiting, ids.length - open.length);
    pauseMs = round.ended.size > 0 ? FIRST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    if (open.length > 0 && round.ended.size < ROUND)
      await pause(Math.min(pauseMs, begin + timeoutMs - clock.now()), signal);
  }
  if (open.length > 0 && !signal.aborted) session.terminal.note(texts.send.stillOpen(open.length));
  return { ok: true, value: { ...counts, open: open.length, seconds: (clock.now() - begin) / 1_000 } };
}

type End = "acknowledged" | "failed" | "expired";

interface Round {
  readonly ended: ReadonlyMap<string, End>;
  /** Null if the request succeeded. */
  readonly failure: CliFailure | null;
}

async function askRound(api: Api, ids: readonly string[]): Promise<Round> {
  const answer = await api.post<{ states: readonly (string | null)[] }>("/v1/messages/states", { message_ids: ids });
  if (!answer.ok) return { ended: new Map(), failure: answer.failure };
  const ended = new Map<string, End>();
  for (const [at, id] of ids.entries()) {
    const state = answer.value.states[at] ?? null;
    if (isEnd(state)) ended.set(id, state);
  }
  return { ended, failure: null };
}

function isEnd(state: string | null): state is End {
  return state === "acknowledged" || state === "failed" || state === "expired";
}
