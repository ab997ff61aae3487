/**
 * The subjects of the control plane, `<prefix>.…`, the prefix being `acktor.v1` unless configured. Pure.
 *
 *   inspect.<service>.<instance>.<actor>      events of an actor; `deliveries` for those of messages
 *   inspect.watch                             a viewer is there (viewers.ts)
 *   announce.<service>.<instance>             an instance as it stands, every few seconds
 *   snapshot.<service>                        request: every instance of a service answers as it stands
 *   cmd.<service>.<instance|all>.<verb>       request: an operator's command; the verb may have a dot
 *   audit                                     request: a command that an acker carried out, for a publisher to record
 *   receipts                                  request: every acker answers what its inbox knows of a message
 *   enqueue                                   request: a message for the outbox
 *   wake                                      rows were committed: publishers look at once
 *
 * Invariant: a name of an instance is one word of a subject, whatever dots it has, and is never taken for `all`.
 */
export const DEFAULT_NATS_PREFIX = "acktor.v1";
export const ALL = "all";
/** What an instance may be called: `ACKTOR_INSTANCE`, or the host's name and the port. */
export const INSTANCE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export type ServiceName = "publisher" | "acker";

export interface Subjects {
  readonly watch: string;
  readonly enqueue: string;
  readonly wake: string;
  readonly audit: string;
  readonly receipts: string;
  /** What every viewer listens to. */
  readonly allEvents: string;
  readonly allAnnouncements: string;
  event(service: ServiceName, instance: string, actor: string): string;
  announce(service: ServiceName, instance: string): string;
  snapshot(service: ServiceName): string;
  /** @param instance null for all of the service */
  command(service: ServiceName, instance: string | null, verb: string): string;
  /** What an instance listens to for commands: those for it, and those for all. */
  commandsFor(service: ServiceName, instance: string): readonly [own: string, all: string];
  /** The verb of a command's subject. */
  verbOf(subject: string): string;
  /** Service and instance in the subject of an event or an announcement; null when it is none. */
  sourceOf(subject: string): { readonly service: string; readonly instance: string } | null;
}

export function subjectsUnder(prefix: string): Subjects {
  const depth = prefix.split(".").length;
  const command = (service: ServiceName, word: string, verb: string): string =>
    `${prefix}.cmd.${service}.${word}.${verb}`;
  return {
    watch: `${prefix}.inspect.watch`,
    enqueue: `${prefix}.enqueue`,
    wake: `${prefix}.wake`,
    audit: `${prefix}.audit`,
    receipts: `${prefix}.receipts`,
    allEvents: `${prefix}.inspect.*.*.*`,
    allAnnouncements: `${prefix}.announce.*.*`,
    event: (service, instance, actor) => `${prefix}.inspect.${service}.${encodeWord(instance)}.${encodeWord(actor)}`,
    announce: (service, instance) => `${prefix}.announce.${service}.${encodeWord(instance)}`,
    snapshot: (service) => `${prefix}.snapshot.${service}`,
    command: (service, instance, verb) => command(service, instance === null ? ALL : encodeWord(instance), verb),
    commandsFor: (service, instance) => [command(service, encodeWord(instance), ">"), command(service, ALL, ">")],
    verbOf: (subject) =>
      subject
        .split(".")
        .slice(depth + 3)
        .join("."),
    sourceOf(subject) {
      const [service, word] = subject.split(".").slice(depth + 1);
      const instance = word === undefined ? null : decodeWord(word);
      return service === undefined || instance === null ? null : { service, instance };
    },
  };
}

/** A name as one word: dots and what else a subject gives a meaning, percent-encoded. */
export function encodeWord(name: string): string {
  if (name === ALL) return "%61ll";
  return encodeURIComponent(name).replace(/[.*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The name in a word; null when the word is no encoding of ours. */
export function decodeWord(word: string): string | null {
  try {
    return decodeURIComponent(word);
  } catch {
    return null;
  }
}

/** Whether a subject is one that a pattern with `*` and `>` selects. */
export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split(".");
  const words = subject.split(".");
  for (const [at, word] of wanted.entries()) {
    if (word === ">") return words.length > at;
    if (words[at] === undefined || (word !== "*" && word !== words[at])) return false;
  }
  return wanted.length === words.length;
}

/** Why a prefix cannot be one, or null. */
export function prefixFault(prefix: string): string | null {
  return /^[A-Za-z0-9_-]{1,50}(\.[A-Za-z0-9_-]{1,50}){0,5}$/.test(prefix)
    ? null
    : "is not 1 to 6 words of letters, digits, dashes and underscores, joined by dots";
}
