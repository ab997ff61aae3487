/** Which filters an acker subscribes to: plain ones, or those of a group where the broker has shared subscriptions. */

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
