/**
 * The inbox as its statement leaves it, and the ledger of effects: a model of `services/acker/src/inbox`, reached by the
 * acker's own code through a pool that understands its two statements.
 */
import type { DbResult, Param, Pool } from "@acktor/shared/db/pool";
import type { SimDatabase } from "./sim-database.ts";
import type { SimProcess } from "./virtual-time.ts";

interface InboxRow {
  readonly checksum: string;
  readonly content: string;
  deliveries: number;
}

/** Places of the statement's parameters (receive-messages.ts). */
const ID = 0;
const CONTENT = 3;
const CHECKSUM = 6;
const DELIVERIES = 7;

export class SimInbox {
  readonly #rows = new Map<string, InboxRow>();
  readonly #onEffect: (id: string, content: string) => void;

  constructor(onEffect: (id: string, content: string) => void) {
    this.#onEffect = onEffect;
  }

  has(id: string): boolean {
    return this.#rows.has(id);
  }

  /** A pool of `owner`'s that knows the inbox alone. */
  pool(database: SimDatabase, owner: SimProcess): Pool {
    return {
      run: <Row>(text: string, params: readonly Param[] = []): Promise<DbResult<Row>> => {
        const looks = text.includes("on conflict");
        let conflict = false;
        const answer = database.run<Row>(owner, () => {
          if (!looks && parseArray(params[ID]).some((id) => this.#rows.has(id))) {
            conflict = true;
            return [];
          }
          return this.#receive(params) as Row[];
        });
        return answer.then((result) => (conflict && result.ok ? { ok: false, failure: ALREADY_THERE } : result));
      },
      size: 1,
      busy: () => 0,
      waiting: () => 0,
      stop: async () => undefined,
    };
  }

  #receive(params: readonly Param[]): object[] {
    const [ids, contents, checksums, deliveries] = [ID, CONTENT, CHECKSUM, DELIVERIES].map((at) =>
      parseArray(params[at]),
    );
    return (ids ?? []).map((messageId, i) => {
      const checksum = checksums?.[i] ?? "";
      const count = Number(deliveries?.[i] ?? 1);
      const known = this.#rows.get(messageId);
      if (known === undefined) {
        const content = contents?.[i] ?? "";
        this.#rows.set(messageId, { checksum, content, deliveries: count });
        this.#onEffect(messageId, content);
      } else if (known.checksum === checksum) known.deliveries += count;
      const row = this.#rows.get(messageId);
      return {
        messageId,
        deliveries: row?.deliveries ?? count,
        status: "processed",
        reason: null,
        checksum: row?.checksum ?? checksum,
        mine: false,
      };
    });
  }
}

const ALREADY_THERE = {
  kind: "rejected",
  maybeCommitted: false,
  code: "23505",
  message: "already there",
  constraint: "inbox_pkey",
} as const;

/** What `pgArray` wrote. */
function parseArray(value: Param | undefined): string[] {
  if (typeof value !== "string") return [];
  const items: string[] = [];
  for (const match of value.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/g)) {
    items.push(match[1] === undefined ? (match[2] ?? "") : match[1].replace(/\\(.)/g, "$1"));
  }
  return items;
}
