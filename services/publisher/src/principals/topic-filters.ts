/**
 * The topics that a principal may write to or read, as MQTT filters, for one topic in this process and for rows in SQL.
 *
 * Invariants:
 *  FILTER-1. SQL selects exactly the topics that `has` accepts.
 *  FILTER-2. The work for one row is bounded. Exact topics and prefixes are compared as text: for 20,000 rows and 64
 *    prefixes `like any` takes 0.3 s where `starts_with` over `unnest` takes 13 s, and an alternation in one regular
 *    expression more than 60 s. Filters with a wildcard before their end are few and short, and their expression is evaluated
 *    only for rows that `like` selects; it is one, because PostgreSQL keeps 32 compiled ones for each connection.
 */
import { type Param, pgArray } from "@acktor/shared/db/pool";
import { filterMatches } from "@acktor/shared/protocol/topics";

export const MOST_FILTERS = 64;
export const MOST_FILTER_LENGTH = 512;
/** Filters with a wildcard before their end, and their length. */
export const MOST_WILD = 16;
export const MOST_WILD_LENGTH = 128;

/** A WHERE of this many parameters: see `allowedTopic`. */
export const FILTER_PARAMS = 4;

const PREFIX = /^[^+#]+\/#$/;

/** Whether a filter has a wildcard before its end: neither a topic nor `…/#`. */
export function isWild(filter: string): boolean {
  return filter !== "#" && !PREFIX.test(filter) && /[+#]/.test(filter);
}

export class TopicFilters {
  readonly list: readonly string[];
  /** True for the filter `#`: every topic. */
  readonly all: boolean;
  readonly #exact: ReadonlySet<string>;
  readonly #prefixes: readonly string[];
  readonly #wild: readonly string[];

  /** @param list valid filters, at most `MOST_FILTERS` of `MOST_FILTER_LENGTH` */
  constructor(list: readonly string[]) {
    this.list = list;
    this.all = list.includes("#");
    const below = list.filter((filter) => PREFIX.test(filter));
    const plain = list.filter((filter) => !/[+#]/.test(filter));
    // `a/#` is `a` and everything below it.
    this.#exact = new Set([...plain, ...below.map((filter) => filter.slice(0, -2))]);
    this.#prefixes = below.map((filter) => filter.slice(0, -1));
    this.#wild = list.filter(isWild);
  }

  /** Whether a filter selects this topic name. */
  has(topic: string): boolean {
    if (this.all || this.#exact.has(topic)) return true;
    return (
      this.#prefixes.some((prefix) => topic.startsWith(prefix)) ||
      this.#wild.some((filter) => filterMatches(filter, topic))
    );
  }

  /** FILTER-1: the parameters of `allowedTopic`; nulls where every topic is allowed. */
  params(): Param[] {
    if (this.all) return [null, null, null, null];
    const wild = this.#wild.map((filter) => `(?:${filterToRegex(filter)})`).join("|");
    return [
      pgArray([...this.#exact]),
      pgArray(this.#prefixes.map((prefix) => `${likeText(prefix)}%`)),
      pgArray(this.#wild.map(likeSuperset)),
      wild === "" ? null : wild,
    ];
  }
}

/** Escaped for LIKE. */
function likeText(text: string): string {
  return text.replace(/[\\%_]/g, "\\$&");
}

/** FILTER-2: a pattern of LIKE that selects every topic of the filter, and more. */
function likeSuperset(filter: string): string {
  return likeText(filter).replace(/\/?#$/, "%").replaceAll("+", "%");
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
  const [exact, prefixes, superset] = [0, 1, 2].map((at) => `$${first + at}::text[]`);
  return `(${exact} is null or ${topic} = any(${exact}) or ${topic} like any(${prefixes})
    or ${topic} like any(${superset}) and ${topic} ~ $${first + 3}::text)`;
}

/** The regular expression (POSIX, as PostgreSQL's `~` takes it) that selects what `filter` selects. */
function filterToRegex(filter: string): string {
  const parts = filter.split("/");
  const quoted = parts.map((level) => (level === "+" ? "[^/]*" : level.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
  if (parts.at(-1) !== "#") return `^${quoted.join("/")}$`;
  const head = quoted.slice(0, -1).join("/");
  return parts.length === 1 ? "^" : `^${head}(/|$)`;
}
