/**
 * What arrives while the doctor listens: acks under the configured prefix, acks under other prefixes, as behind a bridge or a
 * mountpoint, and the announcements of ackers.
 */
import type { IncomingMessage } from "@acktor/shared/link/link";
import { decodePresence } from "@acktor/shared/protocol/presence";
import { isUnder } from "@acktor/shared/protocol/topics";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";

const MOST = 1_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export interface Heard {
  /** Ids of acks under the configured prefix. */
  readonly acked: readonly string[];
  /** Id of an ack under another prefix → that prefix. */
  readonly elsewhere: ReadonlyMap<string, string>;
  /** Instances that announced themselves, and whether they are online. */
  readonly ackers: ReadonlyMap<string, boolean>;
}

export class HeardTopics {
  /** Where acks arrive that a bridge or a mountpoint has renamed by a level or two. */
  readonly foreignFilters: readonly string[];
  readonly #ackPrefix: string;
  readonly #presencePrefix: string;
  readonly #acked = new Set<string>();
  readonly #elsewhere = new Map<string, string>();
  readonly #ackers = new Map<string, boolean>();

  constructor(config: PublisherSettings) {
    this.#ackPrefix = config.ACKTOR_ACK_PREFIX;
    this.#presencePrefix = config.ACKTOR_PRESENCE_PREFIX;
    // Without its first level, as when a bridge removes it.
    const shorter = this.#ackPrefix.slice(this.#ackPrefix.indexOf("/") + 1);
    const candidates = [`+/${this.#ackPrefix}/+`, `+/+/${this.#ackPrefix}/+`, `${shorter}/+`];
    this.foreignFilters = candidates.filter((filter) => filter !== `${this.#ackPrefix}/+`);
  }

  take({ topic, payload }: IncomingMessage): void {
    if (isUnder(topic, this.#presencePrefix)) {
      const decoded = decodePresence(payload);
      if (decoded.kind !== "presence" || this.#ackers.size >= MOST) return;
      this.#ackers.set(decoded.presence.instance, decoded.presence.status === "online");
      return;
    }
    const at = topic.lastIndexOf("/");
    const [prefix, id] = [topic.slice(0, at), topic.slice(at + 1).toLowerCase()];
    if (!UUID.test(id)) return;
    if (prefix === this.#ackPrefix) add(this.#acked, id);
    else if (this.#elsewhere.size < MOST) this.#elsewhere.set(id, prefix);
  }

  all(): Heard {
    return { acked: [...this.#acked], elsewhere: this.#elsewhere, ackers: this.#ackers };
  }
}

function add(ids: Set<string>, id: string): void {
  if (ids.size < MOST) ids.add(id);
}
