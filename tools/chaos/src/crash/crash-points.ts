/**
 * Named points of a message's life at which a service is killed. A point is a place in the sources, found by a fragment of
 * code regardless of its formatting. The services do not know the points: a loader hook inserts the kill (crash-hook.ts).
 */
import { patchTokens } from "../patch/patch-tokens.ts";

export interface CrashPoint {
  readonly name: string;
  readonly service: "publisher" | "acker";
  /** Source file, from the root of the repository. */
  readonly file: string;
  /** A fragment that occurs in the file exactly once. */
  readonly at: string;
  /** `soon`: after the operation was started and before its answer can arrive. */
  readonly when: "before" | "soon";
  /** What is needed to reach the point, in addition to traffic. */
  readonly needs?: "lost acks" | "SIGTERM" | "short lives" | "a handler";
}

const INTAKE = "services/publisher/src/intake/intake.ts";
const SENDER = "services/publisher/src/dispatch/sender.ts";
const BOOK = "services/publisher/src/dispatch/in-flight-book.ts";
const SETTLER = "services/publisher/src/settle/settler.ts";
const FIRST = "services/acker/src/process/handle-first.ts";

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
  before("publisher", "committed but unanswered", INTAKE, "this.#answer(group, result.inserted"),
  before(
    "publisher",
    "claimed",
    "services/publisher/src/dispatch/dispatch-role.ts",
    "const { messages, more, anyParked } = claimed.value;",
  ),
  before("publisher", "PUBLISH written", SENDER, "counts.published++;"),
  before("publisher", "PUBACK seen", BOOK, "entry.puback = reasonCode;"),
  before("publisher", "marked sent", BOOK, "const isFenced = fenced.has(entry.message.messageId);", "lost acks"),
  before("publisher", "retry", SENDER, "counts.republished++;", "lost acks"),
  before("publisher", "ack received", SETTLER, "this.counts.received++;"),
  before(
    "publisher",
    "ack committed",
    "services/publisher/src/settle/ack-writer.ts",
    "settlements.settled(result.rows)",
  ),
  before(
    "publisher",
    "expiry",
    "services/publisher/src/janitor/sweeps.ts",
    "this.#logger.info({ actor: this.name, expired }",
    "short lives",
  ),
  before("publisher", "drain", "services/publisher/src/publisher.ts", "await this.intake.drain();", "SIGTERM"),
  before("acker", "received", "services/acker/src/subscribe/intake.ts", "counts.received++;"),
  before("acker", "PUBACK sent", "services/acker/src/subscribe/intake.ts", "places.hold(held);"),
  {
    service: "acker",
    name: "inbox written",
    file: "services/acker/src/process/processor.ts",
    at: "const stored = await",
    when: "soon",
  },
  before("acker", "inbox committed", "services/acker/src/process/processor.ts", "for (const group of first.rest)"),
  before("acker", "batch leased", FIRST, "const begun = new Map(", "a handler"),
  before("acker", "handlers answered", FIRST, "const stored = await this.#store(", "a handler"),
  {
    service: "acker",
    name: "batch written",
    file: FIRST,
    at: "const answer = await unlessAborted(this.#commit(",
    when: "soon",
    needs: "a handler",
  },
  before("acker", "batch committed", FIRST, "if (stored.size === groups.length)", "a handler"),
  before("acker", "ack about to be sent", "services/acker/src/ack/ack-sender.ts", "this.#underWay++;"),
  before("acker", "ack sent", "services/acker/src/ack/ack-sender.ts", 'if (outcome.kind === "acked")'),
  before("acker", "drain", "services/acker/src/supervised-acker.ts", "await processor.drain(", "SIGTERM"),
];

/** Inserts the point into a source: the process kills itself with SIGKILL when it reaches the point first. */
export function withCrash(source: string, point: Pick<CrashPoint, "at" | "when">): string | null {
  const kill = 'process.kill(process.pid, "SIGKILL");';
  // A timer of 0 fires after the writes of this turn, and about when their answer may arrive.
  const crash = point.when === "before" ? kill : `setTimeout(() => { ${kill} }, 0);`;
  const patched = patchTokens(source, point.at, `${crash} ${point.at}`);
  return patched.ok ? patched.text : null;
}
