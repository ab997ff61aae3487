/**
 * Walks along the life of a message. A line is cut at the first message of a life, in the next life at the second, and so on,
 * before or after that message, until lives end without a cut. A message is one of PostgreSQL's protocol or an MQTT packet.
 *
 * Counting starts before the caller's call and ends after the ack is stored, so every message between is cut once. Polls of
 * the services are counted, too; they make a life longer, never shorter. A life, the number of lives and the walk have a
 * limit; an exceeded limit is a finding. A message that is not acknowledged in time is a finding, regardless of the answer
 * that the caller got.
 */
import { pause } from "@acktor/shared/runtime/pause";
import type { Bench } from "../controls/bench.ts";
import type { CutSide } from "../proxy/message-cut.ts";
import { TOPIC_ROOT } from "../scenarios/scenario.ts";
import { becomesTrue } from "../world/until.ts";

export interface Walk {
  readonly line: "publisher.mqtt" | "acker.mqtt" | "publisher.db" | "acker.db";
  readonly side: CutSide;
}

export interface WalkEnd {
  /** Lives that were cut. */
  readonly cuts: number;
  readonly findings: readonly string[];
}

const LINES: readonly Walk["line"][] = ["publisher.mqtt", "acker.mqtt", "publisher.db", "acker.db"];
export const WALKS: readonly Walk[] = LINES.flatMap((line) => [
  { line, side: "before" as const },
  { line, side: "after" as const },
]);

/** A claim whose answer was cut off waits for its lease of 5 s, and the messages of a new connection can be cut again. */
const LIFE_LIMIT_MS = 20_000;
const CALM_LIMIT_MS = 10_000;
const CALL_AGAIN_MS = 50;
/** The last answers pass after the ack is stored. */
const LAST_MESSAGES_MS = 30;
/** After this number of lives in a row without a cut there is no n-th message. A single life may have had one poll less. */
const UNCUT_LIVES = 3;
const MOST_MESSAGES = 300;
const WALK_LIMIT_MS = 180_000;

export function nameOfWalk({ line, side }: Walk): string {
  return `${line} cut ${side} message n`;
}

/** Walks along lives until they end without a cut. */
export async function walkLife(bench: Bench, walk: Walk, signal: AbortSignal): Promise<WalkEnd> {
  const end = performance.now() + WALK_LIMIT_MS;
  const findings: string[] = [];
  let cuts = 0;
  let uncut = 0;
  for (let nth = 1; uncut < UNCUT_LIVES && !signal.aborted; nth++) {
    if (nth > MOST_MESSAGES || performance.now() > end) {
      findings.push(`the walk did not reach the end of a life: message ${nth}`);
      break;
    }
    const life = await liveOnce(bench, walk, nth);
    uncut = life.cut ? 0 : uncut + 1;
    if (life.cut) cuts++;
    if (life.finding !== null) findings.push(`message ${nth}: ${life.finding}`);
  }
  if (cuts === 0) findings.push("no message was cut");
  return { cuts, findings: [...findings, ...(await bench.findings())] };
}

interface Life {
  readonly cut: boolean;
  readonly finding: string | null;
}

async function liveOnce(bench: Bench, { line: name, side }: Walk, nth: number): Promise<Life> {
  if (!(await isCalm(bench))) return { cut: false, finding: "the pair did not recover from the previous life" };
  const line = bench.world.lines[name];
  line.cutMessage(nth, side);
  const id = await sendUntilKnown(bench, `${name} ${side} ${nth}`);
  const acknowledged = id !== null && (await becomesTrue(() => isAcknowledged(bench, id), LIFE_LIMIT_MS));
  await pause(LAST_MESSAGES_MS, new AbortController().signal);
  const cut = line.endMessageCut();
  if (id === null) return { cut, finding: "the caller never got an id" };
  return { cut, finding: acknowledged ? null : `${id} was not acknowledged within ${LIFE_LIMIT_MS} ms` };
}

/** A caller with an Idempotency-Key repeats its call until it gets the id. */
async function sendUntilKnown(bench: Bench, content: string): Promise<string | null> {
  const body = { topic: `${TOPIC_ROOT}/walk`, content };
  const key = `walk ${content}`.replaceAll(" ", "-");
  let id: string | null = null;
  await becomesTrue(async () => {
    id = await bench.sendOne(body, key);
    if (id === null) await pause(CALL_AGAIN_MS, new AbortController().signal);
    return id !== null;
  }, LIFE_LIMIT_MS);
  return id;
}

async function isAcknowledged(bench: Bench, id: string): Promise<boolean> {
  const rows = await bench.rows(
    `select from publisher.message_delivery where message_id = '${id}' and state = 'acknowledged'`,
  );
  return rows.length > 0;
}

/** Both services are connected to the broker and to PostgreSQL. */
function isCalm({ world: { units } }: Bench): Promise<boolean> {
  return becomesTrue(async () => {
    const { publisher, acker } = units;
    const [states, ready] = await Promise.all([
      Promise.all([publisher.connection(), acker.connection()]),
      Promise.all([publisher.ready(), acker.ready()]),
    ]);
    return states.every((state) => state === "CONNECTED") && ready.every(Boolean);
  }, CALM_LIMIT_MS);
}
