/**
 * The topics that a principal may write to or read, as MQTT filters, for one topic in this process and for rows in SQL.
 *
 * Invariants:
 *  - FILTER-1: SQL selects exactly the topics that `has` accepts.
 *  - FILTER-2: the work for one row is bounded: exact topics and prefixes are compared as text, and all filters with a
 *    wildcard inside them are one regular expression. PostgreSQL keeps 32 compiled expressions for each connection; an
 *    expression for each filter would be compiled again for each row.
 */
import { type Param, pgArray } from "@acktor/shared/db/pool";
import { filterMatches, filterToRegex } from "@acktor/shared/protocol/topics";

export const MOST_FILTERS = 64;
export const MOST_FILTER_BYTES = 512;

/** A WHERE of this many parameters: see `allowedTopic`. */
export const FILTER_PARAMS = 3;

const PREFIX = /^[^+#]+\/#$/;

export class TopicFilters {
  readonly list: readonly string[];
  /** True for the filter `#`: every topic. */
  readonly all: boolean;
  readonly #exact: ReadonlySet<string>;
  readonly #prefixes: readonly string[];
  readonly #wild: readonly string[];

  /** @param list valid filters, at most `MOST_FILTERS` of `MOST_FILTER_BYTES` */
  constructor(list: readonly string[]) {
    this.list = list;
    this.all = list.includes("#");
    const below = list.filter((filter) => PREFIX.test(filter));
    const plain = list.filter((filter) => !/[+#]/.test(filter));
    // `a/#` is `a` and everything below it.
    this.#exact = new Set([...plain, ...below.map((filter) => filter.slice(0, -2))]);
    this.#prefixes = below.map((filter) => filter.slice(0, -1));
    this.#wild = list.filter((filter) => !PREFIX.test(filter) && /[+#]/.test(filter));
  }

  /** Whether a filter selects this topic name. */
  has(topic: string): boolean {
    if (this.all || this.#exact.has(topic)) return true;
    return (
      this.#prefixes.some((prefix) => topic.startsWith(prefix)) ||
      this.#wild.some((filter) => filterMatches(filter, topic))
    );
  }

  /** The parameters of `allowedTopic`; nulls where every topic is allowed. */
  params(): Param[] {
    if (this.all) return [null, null, null];
    const pattern = this.#wild.map((filter) => `(?:${filterToRegex(filter)})`).join("|");
    return [pgArray([...this.#exact]), pgArray(this.#prefixes), pattern === "" ? null : pattern];
  }
}

/** Every topic. */
export const EVERY_TOPIC = new TopicFilters(["#"]);

/** What an operation may touch: topics that the caller may see, and of these the ones that it may write to. */
export interface TopicScope {
  readonly read: TopicFilters;
  readonly write: TopicFilters;
}

export const EVERYWHERE: TopicScope = { read: EVERY_TOPIC, write: EVERY_TOPIC };

/**
 * For a WHERE: whether the filters select a topic. True for every row where the first parameter is null.
 * @param topic a column
 * @param first number of the first of its `FILTER_PARAMS` parameters
 */
export function allowedTopic(topic: string, first: number): string {
  const [exact, prefixes, pattern] = [`$${first}::text[]`, `$${first + 1}::text[]`, `$${first + 2}::text`];
  return `(${exact} is null or ${topic} = any(${exact})
    or exists (select from unnest(${prefixes}) allowed(prefix) where starts_with(${topic}, allowed.prefix))
    or coalesce(${topic} ~ ${pattern}, false))`;
}
