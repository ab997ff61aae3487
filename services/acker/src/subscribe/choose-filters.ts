/**
 * Which filters an acker subscribes to and announces. ACKTOR_TOPICS may name topics as they were sent or as they arrive;
 * ACKTOR_TOPIC_MAP connects the two.
 */
import { TopicMap } from "@acktor/shared/protocol/topic-map";
import { filterCovers } from "@acktor/shared/protocol/topics";
import type { AckerSettings } from "@acktor/shared/runtime/settings";

type TopicSettings = Pick<AckerSettings, "ACKTOR_TOPICS" | "ACKTOR_TOPIC_MAP">;

const UNCHANGED = new TopicMap();

export function topicMap({ ACKTOR_TOPIC_MAP: map }: Pick<TopicSettings, "ACKTOR_TOPIC_MAP">): TopicMap {
  return map ?? UNCHANGED;
}

/** The filters by which its messages arrive, without a group. */
export function arrivingFilters(config: TopicSettings): readonly string[] {
  const { ACKTOR_TOPICS: topics } = config;
  return withoutCovered([...topics, ...topics.flatMap((filter) => topicMap(config).filtersAsReceived(filter))]);
}

/** The filters that its birth announces: publishers compare them with topics as sent. */
export function birthFilters(config: TopicSettings): readonly string[] {
  const { ACKTOR_TOPICS: topics } = config;
  return withoutCovered([...topics, ...topics.flatMap((filter) => topicMap(config).filtersAsSent(filter))]);
}

/** A filter that another one covers would only bring each message twice. */
function withoutCovered(filters: readonly string[]): readonly string[] {
  const different = [...new Set(filters)];
  return different.filter((one) => !different.some((other) => other !== one && filterCovers(other, one)));
}

export interface FilterChoice {
  readonly filters: readonly string[];
  /** A group is configured, but this broker has no shared subscriptions. */
  readonly groupRefused: boolean;
}

/**
 * @param group name of the shared subscription, or null
 * @param shared true when the broker grants `$share` and delivers on it
 */
export function chooseFilters(topics: readonly string[], group: string | null, shared: boolean): FilterChoice {
  if (group === null) return { filters: topics, groupRefused: false };
  if (!shared) return { filters: topics, groupRefused: true };
  return { filters: topics.map((topic) => `$share/${group}/${topic}`), groupRefused: false };
}
