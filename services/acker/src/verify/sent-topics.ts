/**
 * Compares the topic on which a message arrived with the one to which it was sent, counts differences, and names in the log
 * the setting that explains them.
 *
 * Invariants:
 *  SENT_TOPICS-1. One warning for each setting that it proposes, `MOST_WARNINGS` at most: what strangers send must not fill
 *                 the log.
 */
import { suggestChange, type TopicMap } from "@acktor/shared/protocol/topic-map";
import { type Logger, printable } from "@acktor/shared/runtime/logger";
import type { Counts } from "../control/counts.ts";

/** What a verification asks. */
export interface SentTopics {
  /** @returns the topic to which the message was sent; null when nothing explains that the two differ */
  asSent(received: string, claimed: string | null): string | null;
}

const MOST_WARNINGS = 10;

export class WatchedTopics implements SentTopics {
  readonly #map: TopicMap;
  readonly #counts: Counts;
  readonly #logger: Logger;
  readonly #warned = new Set<string | null>();

  constructor(map: TopicMap, counts: Counts, logger: Logger) {
    this.#map = map;
    this.#counts = counts;
    this.#logger = logger;
  }

  asSent(received: string, claimed: string | null): string | null {
    const sent = this.#map.asSent(received, claimed);
    if (sent === received) return sent;
    this.#counts.topics[sent === null ? "unexplained" : "mapped"]++;
    if (sent === null && claimed !== null) this.#warn(received, claimed);
    return sent;
  }

  /** SENT_TOPICS-1 */
  #warn(received: string, sent: string): void {
    if (this.#warned.size >= MOST_WARNINGS) return;
    const change = suggestChange(received, sent);
    if (this.#warned.has(change)) return;
    this.#warned.add(change);
    const setting = change === null ? null : printable(`ACKTOR_TOPIC_MAP=${change}`);
    this.#logger.warn(
      { received_on: printable(received), sent_to: printable(sent), setting },
      "messages arrive on another topic than they were sent to: if a bridge, a mountpoint or the broker changes topics, declare it in ACKTOR_TOPIC_MAP; otherwise a client copies messages",
    );
  }
}
