/** The default: a message is processed when its row is in the inbox. Applications read the table. */
import type { RowHandler } from "./handler.ts";

export const inboxHandler: RowHandler = { name: "inbox", mode: "row" };
