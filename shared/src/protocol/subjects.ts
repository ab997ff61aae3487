/**
 * The subjects of the control plane, `<prefix>.…`, the prefix being `acktor.v1` unless configured. Pure.
 *
 *   inspect.<service>.<instance>.<actor>      events of an actor; `deliveries` for those of messages
 *   inspect.watch                             a viewer is connected (viewers.ts)
 *   announce.<service>.<instance>             the state of an instance, every few seconds
 *   snapshot.<service>                        request: every instance of a service answers with its state
 *   cmd.<service>.<instance|all>.<verb>       request: an operator's command; the verb may have a dot
 *   audit                                     request: a command that an acker executed, for a publisher to record
 *   receipts                                  request: every acker answers what its inbox knows about a message
 *   enqueue                                   request: a message for the outbox
 *   wake                                      rows were committed: publishers look immediately
 *
 * Invariants:
 *  SUBJECTS-1. An instance's name is one word of a subject, also with dots, and never reads as `all`.
 */
export const DEFAULT_NATS_PREFIX = "acktor.v1";
export const ALL = "all";
/** A valid name of an instance: `ACKTOR_INSTANCE`, or the host's name and the port. */
export const INSTANCE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export type ServiceName = "publisher" | "acker";

export function subjectsUnder(prefix: string): Subjects {
  return new Subjects(prefix);
}

export class Subjects {
  readonly watch: string;
  readonly enqueue: string;
  readonly wake: string;
  readonly audit: string;
  readonly receipts: string;
  /** Every viewer subscribes to both. */
  readonly allEvents: string;
  readonly allAnnouncements: string;
  readonly #prefix: string;
  readonly #depth: number;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#depth = prefix.split(".").length;
    this.watch = `${prefix}.inspect.watch`;
    this.enqueue = `${prefix}.enqueue`;
    this.wake = `${prefix}.wake`;
    this.audit = `${prefix}.audit`;
    this.receipts = `${prefix}.receipts`;
    this.allEvents = `${prefix}.inspect.*.*.*`;
    this.allAnnouncements = `${prefix}.announce.*.*`;
  }

  event(service: ServiceName, instance: string, actor: string): string {
    return `${this.#prefix}.inspect.${service}.${encodeWord(instance)}.${encodeWord(actor)}`;
  }

  announce(service: ServiceName, instance: string): string {
    return `${this.#prefix}.announce.${service}.${encodeWord(instance)}`;
  }

  snapshot(service: ServiceName): string {
    return `${this.#prefix}.snapshot.${service}`;
  }

  /** @param instance null for all instances of the service */
  command(service: ServiceName, instance: string | null, verb: string): string {
    return this.#command(service, instance === null ? ALL : encodeWord(instance), verb);
  }

  /** An instance subscribes to both: its own commands, and those for all. */
  commandsFor(service: ServiceName, instance: string): readonly [own: string, all: string] {
    return [this.#command(service, encodeWord(instance), ">"), this.#command(service, ALL, ">")];
  }

  /** The verb in a command's subject. */
  verbOf(subject: string): string {
    return subject
      .split(".")
      .slice(this.#depth + 3)
      .join(".");
  }

  /** Service and instance in the subject of an event or an announcement; null for another subject. */
  sourceOf(subject: string): { readonly service: string; readonly instance: string } | null {
    const [service, word] = subject.split(".").slice(this.#depth + 1);
    const instance = word === undefined ? null : decodeWord(word);
    return service === undefined || instance === null ? null : { service, instance };
  }

  #command(service: ServiceName, word: string, verb: string): string {
    return `${this.#prefix}.cmd.${service}.${word}.${verb}`;
  }
}

/** A name as one word: dots and other characters with a meaning in subjects are percent-encoded. SUBJECTS-1 */
export function encodeWord(name: string): string {
  if (name === ALL) return "%61ll";
  return encodeURIComponent(name).replace(/[.*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The name in a word; null for a word that `encodeWord` did not make. */
export function decodeWord(word: string): string | null {
  try {
    return decodeURIComponent(word);
  } catch {
    return null;
  }
}

/** Whether a pattern with `*` and `>` selects a subject. */
export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split(".");
  const words = subject.split(".");
  for (const [at, word] of wanted.entries()) {
    if (word === ">") return words.length > at;
    if (words[at] === undefined || (word !== "*" && word !== words[at])) return false;
  }
  return wanted.length === words.length;
}

/** Why a prefix is invalid, or null. */
export function prefixFault(prefix: string): string | null {
  return /^[A-Za-z0-9_-]{1,50}(\.[A-Za-z0-9_-]{1,50}){0,5}$/.test(prefix)
    ? null
    : "is not 1 to 6 words of letters, digits, dashes and underscores, joined by dots";
}
