/**
 * Topics that change between publisher and acker: a bridge or a mountpoint puts a prefix in front or removes one, RabbitMQ
 * writes `.` as `/` and `*` as `+`. The operator of the acker declares the changes; the envelope has the topic as it was sent.
 *
 * Invariants:
 *  TOPIC_MAP-1. A declared change explains a message only if it turns the envelope's topic into the topic on which the
 *               message arrived. Every other difference stays one: a map weakens no signature, and routes nothing that it
 *               does not name.
 *  TOPIC_MAP-2. A topic that a map gives is a valid topic name.
 */
import { filterFault, topicFault } from "./topics.ts";

/** A message that arrives on `received` and more was sent to `sent` and the same. One of them may be empty. */
interface Change {
  readonly received: string;
  readonly sent: string;
}

/** The word for RabbitMQ's translation, in the setting. */
const RABBITMQ = "rabbitmq";
const MOST_CHANGES = 100;

export class TopicMap {
  readonly #changes: readonly Change[];
  readonly #isTranslated: boolean;

  /** @param isTranslated messages pass RabbitMQ */
  constructor(changes: readonly Change[] = [], isTranslated = false) {
    this.#changes = changes;
    this.#isTranslated = isTranslated;
  }

  /**
   * The topic to which a message was sent.
   * @param received topic on which it arrived
   * @param claimed topic in its envelope; null: it has none, and the first change that fits is believed
   * @returns null when the two differ and no declared change explains it. TOPIC_MAP-1
   */
  asSent(received: string, claimed: string | null): string | null {
    if (claimed === null) return this.#change(received)[0] ?? received;
    if (claimed === received) return claimed;
    if (topicFault(claimed) !== null) return null; // TOPIC_MAP-2
    const candidates = this.#change(received);
    if (candidates.includes(claimed)) return claimed;
    if (!this.#isTranslated) return null;
    return [received, ...candidates].includes(translate(claimed)) ? claimed : null;
  }

  /** Filters that select, as they arrive, the messages that `filter` selects as they were sent; itself not included. */
  filtersAsReceived(filter: string): string[] {
    return this.#changes.flatMap(({ received, sent }) => rebase(filter, sent, received));
  }

  /** Filters that select, as they were sent, the messages that `filter` selects as they arrive; itself not included. */
  filtersAsSent(filter: string): string[] {
    return this.#changes.flatMap(({ received, sent }) => rebase(filter, received, sent));
  }

  /** Every topic that a change makes of `received`. */
  #change(received: string): string[] {
    return this.#changes
      .filter((change) => received.startsWith(change.received))
      .map((change) => change.sent + received.slice(change.received.length))
      .filter((topic) => topicFault(topic) === null); // TOPIC_MAP-2
  }
}

/** As RabbitMQ delivers it: its own topics have `.` between levels, and `*` as the wildcard of one level. */
function translate(topic: string): string {
  return topic.replaceAll(".", "/").replaceAll("*", "+");
}

/**
 * Replaces the prefix of a filter. A wildcard of the filter stands for levels of `from`, where `from` ends with a level.
 * @returns nothing where the filter selects no topic that begins with `from`
 */
function rebase(filter: string, from: string, to: string): string[] {
  const rest = restOf(filter, from);
  return rest === null || filterFault(to + rest) !== null ? [] : [to + rest];
}

function restOf(filter: string, from: string): string | null {
  if (filter.startsWith(from)) return filter.slice(from.length);
  if (!from.endsWith("/")) return null;
  const levels = filter.split("/");
  for (const [i, level] of from.slice(0, -1).split("/").entries()) {
    if (levels[i] === "#") return "#";
    if (levels[i] !== "+" && levels[i] !== level) return null;
  }
  const rest = levels.slice(from.split("/").length - 1);
  return rest.length === 0 ? null : rest.join("/");
}

/** Reads `received-prefix=sent-prefix` or `rabbitmq`, separated by commas; a text says what is wrong. */
export function readTopicMap(text: string): TopicMap | string {
  const items = text.split(",").map((item) => item.trim());
  if (items.length > MOST_CHANGES) return `has more than ${MOST_CHANGES} items`;
  const changes: Change[] = [];
  for (const item of items) {
    if (item === RABBITMQ) continue;
    const change = readChange(item);
    if (typeof change === "string") return `has an item ${JSON.stringify(item)} that ${change}`;
    changes.push(change);
  }
  return new TopicMap(changes, items.includes(RABBITMQ));
}

function readChange(item: string): Change | string {
  const at = item.indexOf("=");
  if (at < 0) return "is neither received-prefix=sent-prefix nor rabbitmq";
  const [received, sent] = [item.slice(0, at), item.slice(at + 1)];
  if (received === sent) return "changes nothing";
  for (const prefix of [received, sent]) {
    const fault = prefix === "" ? null : topicFault(prefix);
    if (fault !== null) return `${fault}: write the beginnings of topics, as site7/=`;
  }
  return { received, sent };
}

/**
 * The setting that would explain a difference, or null where topics have no end in common.
 * @returns an item of ACKTOR_TOPIC_MAP
 */
export function suggestChange(received: string, sent: string): string | null {
  if (translate(sent) === received) return RABBITMQ;
  const [here, there] = [received.split("/"), sent.split("/")];
  let common = 0;
  while (common < Math.min(here.length, there.length) && here.at(-1 - common) === there.at(-1 - common)) common++;
  if (common === 0) return null;
  const beginning = (levels: readonly string[]): string =>
    levels
      .slice(0, levels.length - common)
      .map((level) => `${level}/`)
      .join("");
  const [from, to] = [beginning(here), beginning(there)];
  return /[,=]/.test(from + to) ? null : `${from}=${to}`;
}
