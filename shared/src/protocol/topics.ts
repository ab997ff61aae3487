/**
 * MQTT topic names and filters as pure values.
 *
 * Invariants:
 *  TOPICS-1. A topic that `topicFault` passes can be published on any broker: no wildcard, no NUL or control character, no
 *            lone surrogate, no leading `$`, at most 65,535 bytes and 100 levels (MQTT 5, 4.7; the driver checks nothing).
 *  TOPICS-2. No message reaches our own ack or presence topics through intake: `reservedFault` rejects them.
 *  TOPICS-3. A filter of data topics selects none of our own: `dataFilterFault` is the one rule, for the acker's settings
 *            and for the access list that is made from them.
 */

export const DEFAULT_ACK_PREFIX = "delivery/ack";
export const DEFAULT_PRESENCE_PREFIX = "delivery/acker";

const MAX_TOPIC_BYTES = 65_535;
const MAX_TOPIC_LEVELS = 100;
// C0 and C1 controls and DEL: legal in MQTT, refused by several brokers and by every terminal.
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is its purpose
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * Says why `topic` may not be published to. TOPICS-1
 * @returns the reason, or null when the topic is a valid topic name.
 */
export function topicFault(topic: string): string | null {
  if (topic.length === 0) return "is empty";
  if (topic.startsWith("$")) return "starts with $, which brokers keep for themselves";
  if (topic.includes("+") || topic.includes("#")) return "contains a wildcard (+ or #)";
  if (CONTROL.test(topic)) return "contains a control character";
  if (!topic.isWellFormed()) return "contains a lone surrogate, which is not UTF-8";
  if (Buffer.byteLength(topic) > MAX_TOPIC_BYTES) return `is longer than ${MAX_TOPIC_BYTES} bytes`;
  if (levelCount(topic) > MAX_TOPIC_LEVELS) return `has more than ${MAX_TOPIC_LEVELS} levels`;
  return null;
}

/** Says which of our own prefixes `topic` is below, or null: intake accepts no forged ack. TOPICS-2 */
export function reservedFault(topic: string, prefixes: readonly string[]): string | null {
  const prefix = prefixes.find((p) => isUnder(topic, p));
  return prefix === undefined ? null : `lies under ${prefix}, which acktor keeps for itself`;
}

/** True when `topic` is `prefix` or below it. */
export function isUnder(topic: string, prefix: string): boolean {
  return topic === prefix || (topic.startsWith(prefix) && topic.charCodeAt(prefix.length) === 47);
}

/**
 * Says why `filter` may not be subscribed to.
 * @returns the reason, or null when the filter is valid (MQTT 5, 4.7.1).
 */
export function filterFault(filter: string): string | null {
  if (filter.length === 0) return "is empty";
  if (CONTROL.test(filter)) return "contains a control character";
  if (!filter.isWellFormed()) return "contains a lone surrogate, which is not UTF-8";
  if (Buffer.byteLength(filter) > MAX_TOPIC_BYTES) return `is longer than ${MAX_TOPIC_BYTES} bytes`;
  const levels = filter.split("/");
  for (const [i, level] of levels.entries()) {
    if (level === "#" && i !== levels.length - 1) return "has a # that is not the last level";
    if (level !== "#" && level.includes("#")) return "has a # inside a level";
    if (level !== "+" && level.includes("+")) return "has a + inside a level";
  }
  return null;
}

/** True when `filter` selects `prefix` itself or any topic below it. */
export function filterReaches(filter: string, prefix: string): boolean {
  const wanted = filter.split("/");
  for (const [i, level] of prefix.split("/").entries()) {
    if (wanted[i] === "#") return true;
    if (wanted[i] !== "+" && wanted[i] !== level) return false;
  }
  return true;
}

/**
 * Says why `filter`, which `filterFault` passes, may not select data topics. TOPICS-3
 * @param prefixes our own, of acks and presence
 * @returns the reason with its remedy, or null
 */
export function dataFilterFault(filter: string, prefixes: readonly string[]): string | null {
  if (filter.startsWith("$share/")) {
    const group = filter.split("/")[1] || "ackers";
    return `names a shared subscription. Name the filter alone, and the group in ACKTOR_GROUP=${group}`;
  }
  if (filter.startsWith("$")) return "starts with $, which brokers keep for themselves";
  const prefix = prefixes.find((one) => filterReaches(filter, one));
  if (prefix === undefined) return null;
  return `selects topics under ${prefix}, which acktor keeps for itself. Name the data topics, as sensors/#`;
}

/** True when `filter` selects `topic` (MQTT 5, 4.7; wildcards do not select topics that begin with `$`). */
export function filterMatches(filter: string, topic: string): boolean {
  if (topic.startsWith("$") && !filter.startsWith("$")) return false;
  const wanted = filter.split("/");
  const given = topic.split("/");
  for (const [i, level] of wanted.entries()) {
    if (level === "#") return true;
    if (i >= given.length) return false;
    if (level !== "+" && level !== given[i]) return false;
  }
  return wanted.length === given.length;
}

/** True when `filter` selects every topic that `other` selects. */
export function filterCovers(filter: string, other: string): boolean {
  const [wide, narrow] = [filter.split("/"), other.split("/")];
  for (const [i, level] of wide.entries()) {
    if (level === "#") return true;
    const given = narrow[i];
    if (given === undefined || given === "#" || (level !== "+" && level !== given)) return false;
  }
  return wide.length === narrow.length;
}

/** The topic on which the receiver of message `id` answers. */
export function ackTopic(prefix: string, id: string): string {
  return `${prefix}/${id}`;
}

/** The message id of an ack topic, or null when `topic` is not exactly one level below `prefix`. */
export function ackTopicId(prefix: string, topic: string): string | null {
  if (!isUnder(topic, prefix) || topic.length <= prefix.length + 1) return null;
  const id = topic.slice(prefix.length + 1);
  return id.includes("/") ? null : id;
}

/** The destination of a message: the first `levels` levels of `topic`; 0 means the complete topic. */
export function destinationOf(topic: string, levels: number): string {
  if (levels <= 0) return topic;
  let at = -1;
  for (let i = 0; i < levels; i++) {
    at = topic.indexOf("/", at + 1);
    if (at < 0) return topic;
  }
  return topic.slice(0, at);
}

function levelCount(topic: string): number {
  let count = 1;
  for (let i = 0; i < topic.length; i++) if (topic.charCodeAt(i) === 47) count++;
  return count;
}
