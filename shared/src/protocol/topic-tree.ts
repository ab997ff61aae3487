/**
 * Many topic filters as one tree of topic levels: one pass along a topic's levels decides for all filters together.
 *
 * The nodes of one level are one table, and the branches are bits, one for each filter. A tree with a node for each branch
 * visits up to 3,300 nodes for one topic when `+` and a text continue in parallel in hostile filters; here a topic costs one
 * look-up for each of its levels, for any filters.
 *
 * Invariants:
 *  TREE-1. `matches` is true where `filterMatches` is true for at least one of the filters.
 *  TREE-2. One topic costs at most one look-up, and one AND for each 32 filters, for each level up to the deepest filter.
 */

interface Level {
  /** Filters that accept any text here: `+`, and all levels from a `#` on. */
  readonly any: Int32Array;
  /** Filters that accept this text here, those of `any` included. */
  readonly texts: Map<string, Int32Array>;
  /** Filters that select a topic which ends before this level. */
  readonly ends: Int32Array;
  /** Filters whose `#` is at this level or above: they select everything that follows. */
  readonly open: Int32Array;
  /** Set after all filters are added: `open` has a filter. */
  isOpen: boolean;
  /** Every filter that reaches this level accepts any text here. */
  isFree: boolean;
  /** The texts as a list where they are few, which is faster than a look-up. */
  few: readonly (readonly [text: string, bits: Int32Array])[] | null;
}

const FEW = 8;

export class TopicTree {
  readonly #words: number;
  readonly #levels: Level[] = [];
  readonly #all: Int32Array;
  /** Filters that begin with `$`: wildcards do not select topics that do. */
  readonly #system: Int32Array;
  readonly #alive: Int32Array;

  /** @param filters valid ones (`filterFault`) */
  constructor(filters: readonly string[]) {
    this.#words = Math.max(1, Math.ceil(filters.length / 32));
    this.#all = this.#bits();
    this.#system = this.#bits();
    this.#alive = this.#bits();
    for (const [bit, filter] of filters.entries()) this.#plant(bit, filter.split("/"));
    this.#spread();
  }

  /** True when one of the filters selects the topic. TREE-1 */
  matches(topic: string): boolean {
    return this.#walk(topic, false);
  }

  /** True when one of the filters selects the topic, or may select one that continues it with further levels. */
  reaches(topic: string): boolean {
    return this.#walk(topic, true);
  }

  #walk(topic: string, below: boolean): boolean {
    const alive = this.#alive;
    alive.set(topic.startsWith("$") ? this.#system : this.#all);
    for (let at = 0, depth = 0; at <= topic.length; depth++) {
      const level = this.#levels[depth];
      if (level === undefined) return false;
      if (level.isOpen && meet(alive, level.open)) return true;
      const slash = topic.indexOf("/", at);
      const end = slash < 0 ? topic.length : slash;
      if (!level.isFree && !keep(alive, takers(level, topic, at, end))) return false;
      at = end + 1;
      if (slash < 0) return below || meet(alive, this.#levels[depth + 1]?.ends);
    }
    return false;
  }

  #plant(bit: number, texts: readonly string[]): void {
    set(this.#all, bit);
    if (texts[0]?.startsWith("$")) set(this.#system, bit);
    for (const [depth, text] of texts.entries()) {
      const level = this.#level(depth);
      if (text === "#") {
        set(level.open, bit);
        return;
      }
      set(text === "+" ? level.any : this.#text(level, text), bit);
    }
    set(this.#level(texts.length).ends, bit);
  }

  /** After all filters are added: an open filter stays open below, and a text is accepted by filters that accept any. */
  #spread(): void {
    let above = this.#bits();
    for (const level of this.#levels) {
      add(level.open, above);
      above = level.open;
      add(level.any, level.open);
      level.isFree = level.texts.size === 0 && !meet(level.ends, level.ends);
      add(level.ends, level.open);
      for (const bits of level.texts.values()) add(bits, level.any);
      level.isOpen = meet(level.open, level.open);
      level.few = level.texts.size > FEW ? null : [...level.texts];
    }
  }

  #level(depth: number): Level {
    let level = this.#levels[depth];
    if (level === undefined) {
      level = {
        any: this.#bits(),
        texts: new Map(),
        ends: this.#bits(),
        open: this.#bits(),
        isOpen: false,
        isFree: false,
        few: null,
      };
      this.#levels[depth] = level;
    }
    return level;
  }

  #text(level: Level, text: string): Int32Array {
    let bits = level.texts.get(text);
    if (bits === undefined) {
      bits = this.#bits();
      level.texts.set(text, bits);
    }
    return bits;
  }

  #bits(): Int32Array {
    return new Int32Array(this.#words);
  }
}

/** Filters that accept the text of `topic` from `at` to `end`. TREE-2 */
function takers({ few, texts, any }: Level, topic: string, at: number, end: number): Int32Array {
  if (few === null) return texts.get(topic.slice(at, end)) ?? any;
  for (const [text, bits] of few) if (text.length === end - at && topic.startsWith(text, at)) return bits;
  return any;
}

function set(bits: Int32Array, bit: number): void {
  const word = bit >>> 5;
  bits[word] = (bits[word] ?? 0) | (1 << (bit & 31));
}

function add(bits: Int32Array, more: Int32Array): void {
  for (let word = 0; word < bits.length; word++) bits[word] = (bits[word] ?? 0) | (more[word] ?? 0);
}

/** Keeps the bits that `other` has, too. @returns whether a bit is left */
function keep(bits: Int32Array, other: Int32Array): boolean {
  let left = 0;
  for (let word = 0; word < bits.length; word++) {
    const both = (bits[word] ?? 0) & (other[word] ?? 0);
    bits[word] = both;
    left |= both;
  }
  return left !== 0;
}

function meet(bits: Int32Array, other: Int32Array | undefined): boolean {
  if (other === undefined) return false;
  for (let word = 0; word < bits.length; word++) if (((bits[word] ?? 0) & (other[word] ?? 0)) !== 0) return true;
  return false;
}
