/**
 * Named points of a message's life at which a service is killed: places in the built code, found by a line of it. The
 * services know nothing of them: a loader hook in the test's own process puts the kill there (crash-hook.ts).
 */
export interface CrashPoint {
  readonly name: string;
  readonly service: "publisher" | "acker";
  /** Compiled file, from the service's folder. */
  readonly file: string;
  /** Stands in it exactly once. */
  readonly at: string;
  /** `soon`: after what stands there was begun and before it can have been answered. */
  readonly when: "before" | "soon";
  /** What it takes to get there, beside traffic. */
  readonly needs?: "lost acks" | "SIGTERM" | "short lives" | "a handler";
}

const INTAKE = "dist/intake/intake.js";
const DISPATCHER = "dist/dispatch/dispatcher.js";
const SETTLER = "dist/settle/settler.js";
const FIRST = "dist/early/handle-first.js";

const before = (
  service: CrashPoint["service"],
  name: string,
  file: string,
  at: string,
  needs?: CrashPoint["needs"],
): CrashPoint => ({ service, name, file, at, when: "before", ...(needs === undefined ? {} : { needs }) });

export const CRASH_POINTS: readonly CrashPoint[] = [
  before("publisher", "intake parsed", INTAKE, "queue.waiting.push("),
  { service: "publisher", name: "insert sent", file: INTAKE, at: "queue.running++;", when: "soon" },
  before("publisher", "committed but unanswered", INTAKE, "this.#answer(group, messages,"),
  before("publisher", "claimed", "dist/dispatch/dispatch-role.js", "this.#laneCursor = nextLaneCursor;"),
  before("publisher", "PUBLISH written", DISPATCHER, "this.counts.published++;"),
  before("publisher", "PUBACK seen", DISPATCHER, "entry.puback = outcome.reasonCode;"),
  before("publisher", "marked sent", DISPATCHER, 'entry.record = "written";', "lost acks"),
  before("publisher", "retry", DISPATCHER, "this.counts.republished++;", "lost acks"),
  before("publisher", "ack received", SETTLER, "this.counts.received++;"),
  before("publisher", "ack committed", SETTLER, "this.#options.onSettled(result.rows);"),
  before(
    "publisher",
    "expiry",
    "dist/janitor/janitor.js",
    'this.#options.logger.info({ actor: "expiry"',
    "short lives",
  ),
  before("publisher", "drain", "dist/publisher.js", "await this.intake.drain();", "SIGTERM"),
  before("acker", "received", "dist/subscribe/intake.js", "counts.received++;"),
  before("acker", "PUBACK sent", "dist/subscribe/intake.js", "places.add(held);"),
  { service: "acker", name: "inbox written", file: "dist/pipeline.js", at: "const stored = await", when: "soon" },
  before("acker", "inbox committed", "dist/pipeline.js", "for (const group of groups)\n            conclude("),
  before("acker", "batch leased", FIRST, "const begun = new Map(", "a handler"),
  before("acker", "handlers answered", FIRST, "const stored = await this.#store(", "a handler"),
  {
    service: "acker",
    name: "batch written",
    file: FIRST,
    at: "const answer = await unlessAborted(commit.run",
    when: "soon",
    needs: "a handler",
  },
  before("acker", "batch committed", FIRST, "if (stored.size === groups.length)", "a handler"),
  before("acker", "ack about to be sent", "dist/ack/send-acks.js", "underWay++;"),
  before("acker", "ack sent", "dist/ack/send-acks.js", 'if (outcome.kind === "acked")'),
  before("acker", "drain", "dist/acker.js", "await this.#pipeline.drain(", "SIGTERM"),
];

/** The code of the point: the first time that it is reached the process kills itself as kill -9 does. */
export function withCrash(source: string, point: Pick<CrashPoint, "at" | "when">): string | null {
  if (source.split(point.at).length !== 2) return null;
  const kill = 'process.kill(process.pid, "SIGKILL");';
  // A timer of 0 comes after what was begun in this turn has been written, and about when its answer may come.
  const crash = point.when === "before" ? kill : `setTimeout(() => { ${kill} }, 0);`;
  return source.replace(point.at, () => `${crash} ${point.at}`);
}
