/** What a handler returns to be committed with the outcome of its message. */
import type { TransactionQuery } from "@acktor/shared/db/fenced-transaction";
import type { Fragment } from "./fragment.ts";

/** User code in a transaction that ends with the inbox. */
export interface TransactionEffect {
  readonly kind: "transaction";
  /** A throw rolls the transaction back; what it resolves to does not matter. */
  readonly work: (query: TransactionQuery) => Promise<unknown>;
}

export type Effect = Fragment | TransactionEffect;
