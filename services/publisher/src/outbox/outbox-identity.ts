/** The id of the outbox that this publisher serves: known once the schema exists, and part of every signature. */
export class OutboxIdentity {
  /** Written by `learn`, before the first message is sent. */
  #id = "";

  get id(): string {
    return this.#id;
  }

  /** @param id `publisher.outbox.outbox_id` */
  learn(id: string): void {
    this.#id = id;
  }
}
