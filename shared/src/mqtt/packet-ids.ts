/**
 * Packet ids of one connection, shared by publishes and the driver's SUBSCRIBEs.
 *
 * Invariants:
 *  PACKET_IDS-1. `allocate` returns only a free id; ids rise and wrap, so a freed one is reused as late as possible.
 *  PACKET_IDS-2. At most 65,535 are in use; then `allocate` returns null.
 */

const LAST = 65_535;

/** Has the methods that the driver requires of a message id provider. */
export class PacketIds {
  readonly #used = new Uint8Array(LAST + 1);
  #last = 0;
  #out = 0;

  allocate(): number | null {
    if (this.#out === LAST) return null; // PACKET_IDS-2
    let id = this.#last;
    do id = id === LAST ? 1 : id + 1;
    while (this.#used[id] === 1); // PACKET_IDS-1
    this.#take(id);
    return id;
  }

  getLastAllocated(): number | null {
    return this.#last === 0 ? null : this.#last;
  }

  /** Marks an id as used; false when it is used already. */
  register(id: number): boolean {
    if (this.#used[id] === 1) return false;
    this.#take(id);
    return true;
  }

  deallocate(id: number): void {
    if (this.#used[id] !== 1) return;
    this.#used[id] = 0;
    this.#out--;
  }

  clear(): void {
    this.#used.fill(0);
    this.#last = 0;
    this.#out = 0;
  }

  #take(id: number): void {
    this.#used[id] = 1;
    this.#last = id;
    this.#out++;
  }
}
