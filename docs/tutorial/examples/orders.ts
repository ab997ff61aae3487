/**
 * Orders with an outbox row in the same transaction, and a warehouse that books each order exactly once.
 *
 * One order is stored and one is given up in mid-transaction. The warehouse hears of the first, once, and of the second never.
 */
import { createAcker, sql as effect, rejected } from "@acktor/acker";
import { createClient, enqueue, fence } from "@acktor/shared/client";
import postgres from "postgres";
import type { World } from "./world.ts";

interface Order {
  readonly id: number;
  readonly total: number;
}

export async function run({ databaseUrl, mqttUrl, publisherUrl, say }: World): Promise<void> {
  const sql = postgres(databaseUrl, { onnotice: () => undefined });
  await sql`create table orders (id int primary key, total numeric not null)`;
  await sql`create table bookings (order_id int primary key, total numeric not null)`;

  // The warehouse. Its database may be another one; the booking commits with the proof that the order was processed.
  const warehouse = await createAcker({
    databaseUrl,
    mqttUrl,
    handlers: {
      "orders/+/created": (message) => {
        const order = JSON.parse(message.content) as Order;
        if (order.total < 0) return rejected("a total below zero", { retryable: false });
        return effect`insert into bookings (order_id, total) values (${order.id}, ${order.total})`;
      },
    },
    env: { LOG_LEVEL: "warn" },
  });
  if (!warehouse.ok) throw new Error(warehouse.faults.join("\n"));

  /** The order and its message: both, or neither. */
  const place = (order: Order, change: () => void = () => undefined): Promise<string> =>
    sql.begin(async (tx) => {
      await fence(tx);
      await tx`insert into orders ${tx({ ...order })}`;
      const id = await enqueue(tx, {
        topic: `orders/${order.id}/created`,
        content: JSON.stringify(order),
        contentType: "application/json",
        orderingKey: `order-${order.id}`,
      });
      change();
      return id;
    });

  try {
    const id = await place({ id: 17, total: 99.5 });
    const giveUp = (): void => {
      throw new Error("the card was refused");
    };
    await place({ id: 18, total: 10 }, giveUp).catch((error: Error) =>
      say(`order 18 was not placed: ${error.message}`),
    );
    const outcome = await createClient({ url: publisherUrl }).message(id).acknowledged({ timeoutMs: 20_000 });
    say(`order 17: ${outcome.kind}`);
    const bookings = await sql`select order_id, total from bookings`;
    for (const booking of bookings) say(`booked: order ${booking["order_id"]}, total ${booking["total"]}`);
  } finally {
    await warehouse.stop();
    await sql.end();
  }
}
