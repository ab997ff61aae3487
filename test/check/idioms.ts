/**
 * Idioms that this repository does not use, and what it says instead: plain English for readers of every first language.
 *
 *   node --import tsx --conditions=source test/check/idioms.ts [path prefix …]
 *
 * Checked are comments and string literals of code, comments of SQL and scripts, and pages without their code. Names in
 * code are not checked. Everyday words that are only sometimes a riddle ("thus", "hence", "it ends") are left to reviewers.
 */
import { proseOf } from "./prose.ts";
import { type Finding, lineAt, listFiles, read, runAsCommand } from "./tree.ts";

interface Idiom {
  readonly pattern: string;
  readonly instead: string;
  /** What may stand directly before the match. */
  readonly unlessAfter?: string;
  /** What may stand directly after the match. */
  readonly unlessBefore?: string;
  /** Why the exceptions are none of the idiom. */
  readonly reason?: string;
}

/** A number or a word for how many, with at most four words behind it. */
const QUANTITY =
  "(?:\\d[\\d,]*|many|much|more|most|all|both|few|several|two|three|four|five|six|ten|twelve|hundred|thousand|each|every|one|once|too|everything|half|bytes|messages|rows|connections|statements)(?: [\\w-]+){0,4} ";

export const IDIOMS: readonly Idiom[] = [
  {
    pattern: "(?:no|some|any|every)body(?:'s)?",
    instead: "name the subject (no caller, another publisher, each viewer)",
  },
  { pattern: "who(?:so)?ever|whomever|whosever", instead: "the subject that does it" },
  { pattern: "whom", instead: "the subject that it is about" },
  { pattern: "he|him|his|himself", instead: "it, its, or the subject's name; they for a person" },
  {
    pattern: "of it(?!')",
    instead: "name what it is part of",
    unlessAfter:
      "(?:because|instead|ahead|regardless|independently|independent|front|out|part|parts|half|all|most|any|none|much|rest|copy|copies|use|aware|one|either|neither|place) ",
    reason: "fixed phrases with a plain meaning",
  },
  { pattern: "(?:is|are|was|were|be|been|being) told", instead: "receives, is notified, shows" },
  {
    pattern: "is none(?: of)?|what is no",
    instead: "is not a …, does not …",
    unlessAfter: "(?:there|if) ",
    unlessBefore: "longer",
    reason: "“there is none” and “what is no longer …” are plain",
  },
  { pattern: "beside", instead: "next to; besides → in addition to" },
  { pattern: "anew", instead: "again" },
  { pattern: "stands? in", instead: "replaces, is in, is recorded in" },
  { pattern: "(?:goes|went|going) on", instead: "continues" },
  { pattern: "trying on|tries on", instead: "retrying" },
  { pattern: "(?:is|are|was) to be had|to be had", instead: "is available" },
  { pattern: "by itself", instead: "automatically, alone" },
  { pattern: "(?:has|have|had) gone", instead: "has exited, is closed" },
  {
    pattern:
      "the whole(?=[.,;:)?!]| (?:is|are|was|were|of|has|can|from|and|or|against|to|with|at|for|that|takes|stays)\\b)",
    instead: "name what it is the whole of",
  },
  { pattern: "ends? (?:as )?failed", instead: "is marked failed" },
  {
    pattern: "for good",
    instead: "permanently",
    unlessBefore: "(?:reasons?|measure)",
    reason: "“for good reason” is plain",
  },
  {
    pattern: "at once",
    instead: "immediately, at the same time",
    unlessAfter: QUANTITY,
    reason: "a quantity “at once” is one at a time, or many",
  },
  { pattern: "whatever|whatsoever", instead: "any …, every …, regardless of …" },
  { pattern: "(?:as )?of old(?=[.,;:)])", instead: "as before" },
  { pattern: "in turns", instead: "alternately" },
  { pattern: "lest", instead: "so that … not" },
  { pattern: "thereof|therein|wherein|whereby|whence|withal", instead: "of which, in which, by which" },
  { pattern: "for ever", instead: "forever, without limit" },
  { pattern: "(?:goes|went|go) out", instead: "is sent" },
  { pattern: "(?:says?|said|saying) so", instead: "reports it, states it" },
  { pattern: "(?:says?|said) of", instead: "reports about, states about" },
  { pattern: "(?:who|that|what|which) is there(?! (?:a|an|no|to)\\b)", instead: "that is connected, present, running" },
  { pattern: "keeps? house|keeping house", instead: "cleans up" },
  { pattern: "mend(?:s|ed|ing)?", instead: "fix, repair" },
  { pattern: "is of no (?:use|interest)|to no avail|in vain", instead: "has no effect" },
  { pattern: "twice is (?:fine|once)", instead: "a second call has no effect" },
];

const OWN = /^test\/check\/idioms/;

const compiled = IDIOMS.map(({ pattern, instead, unlessAfter, unlessBefore }) => {
  const spaced = (text: string): string => text.replaceAll(" ", "\\s+");
  const before = unlessAfter === undefined ? "" : `(?<!\\b${spaced(unlessAfter)})`;
  const after = unlessBefore === undefined ? "" : `(?!\\s+${spaced(unlessBefore)}\\b)`;
  return { instead, regex: new RegExp(`\\b${before}(?:${spaced(pattern)})(?![\\w-])${after}`, "gi") };
});

/** @param prose as `proseOf` gives it */
export function idiomsIn(
  prose: string,
): { readonly offset: number; readonly words: string; readonly instead: string }[] {
  return compiled
    .flatMap(({ regex, instead }) =>
      [...prose.matchAll(regex)].map((match) => ({
        offset: match.index,
        words: match[0].replace(/\s+/g, " "),
        instead,
      })),
    )
    .sort((a, b) => a.offset - b.offset);
}

export function findIdioms(): Finding[] {
  return listFiles()
    .filter((path) => !OWN.test(path))
    .flatMap((path) =>
      idiomsIn(proseOf(path)).map(({ offset, words, instead }) => ({
        path,
        line: lineAt(read(path), offset),
        text: `“${words}” → ${instead}`,
      })),
    );
}

runAsCommand(import.meta.url, findIdioms);
