/**
 * Which devices send acks that cannot be read, and why: their messages are sent again without limit, so the overview shows them.
 *
 * Invariants:
 *  IGNORED_ACKS-1. At most `MOST` devices are remembered, the latest ones, each for `KEPT_MS` after its last ack: any client can
 *     make up names.
 */
const MOST = 20;
const KEPT_MS = 600_000;

/** The device that was heard last, and how many there are. */
export interface IgnoredDevice {
  readonly device: string;
  readonly reason: string;
  /** Acks of this device that were ignored. */
  readonly count: number;
  readonly devices: number;
}

interface Known {
  readonly reason: string;
  readonly count: number;
  readonly at: number;
}

export class IgnoredAcks {
  readonly #known = new Map<string, Known>();

  /**
   * @param now monotonic milliseconds
   * @returns true for a device, or a reason, that was not known
   */
  note(device: string, reason: string, now: number): boolean {
    const before = this.#known.get(device);
    this.#known.delete(device);
    this.#known.set(device, { reason, count: (before?.count ?? 0) + 1, at: now });
    // IGNORED_ACKS-1
    const [oldest] = this.#known.keys();
    if (this.#known.size > MOST && oldest !== undefined) this.#known.delete(oldest);
    return before?.reason !== reason;
  }

  read(now: number): IgnoredDevice | null {
    for (const [device, { at }] of this.#known) if (now - at > KEPT_MS) this.#known.delete(device);
    const last = [...this.#known].at(-1);
    if (last === undefined) return null;
    const [device, { reason, count }] = last;
    return { device, reason, count, devices: this.#known.size };
  }
}
