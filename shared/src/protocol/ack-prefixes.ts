/**
 * Under which prefix a message asks for its ack, as its receiver sees the topic: behind a bridge or a mountpoint the
 * publisher's own prefix may have another name there.
 */
import { filterFault, filterMatches, topicFault } from "./topics.ts";

/** Messages to topics that `filter` selects ask for their acks under `prefix`. */
export interface SeenPrefix {
  readonly filter: string;
  readonly prefix: string;
}

const MOST_ITEMS = 100;

export class AckPrefixes {
  readonly #own: string;
  readonly #seen: readonly SeenPrefix[];

  /** @param own where this publisher receives acks */
  constructor(own: string, seen: readonly SeenPrefix[] = []) {
    this.#own = own;
    this.#seen = seen;
  }

  /** Of two filters that select the topic the first counts. */
  of(topic: string): string {
    return this.#seen.find(({ filter }) => filterMatches(filter, topic))?.prefix ?? this.#own;
  }
}

/** Reads `filter=prefix`, separated by commas; a text says what is wrong. */
export function readAckPrefixes(text: string): readonly SeenPrefix[] | string {
  const items = text.split(",").map((item) => item.trim());
  if (items.length > MOST_ITEMS) return `has more than ${MOST_ITEMS} items`;
  const seen: SeenPrefix[] = [];
  for (const item of items) {
    const at = item.indexOf("=");
    const [filter, prefix] = [item.slice(0, at), item.slice(at + 1)];
    const fault = at < 0 ? "is not filter=prefix" : (filterFault(filter) ?? topicFault(prefix));
    if (fault !== null) return `has an item ${JSON.stringify(item)} that ${fault}`;
    seen.push({ filter, prefix: prefix.replace(/\/$/, "") });
  }
  return seen;
}
