/** One log line for each message: it shows what arrives, and is the smallest example of a handler. */
import { type Logger, printable } from "@acktor/shared/runtime/logger";
import type { AfterHandler } from "./handler.ts";

export function createLogHandler(logger: Logger): AfterHandler {
  return {
    name: "log",
    mode: "after",
    async handle(message) {
      logger.info(
        {
          message_id: message.externalId ?? message.messageId,
          topic: printable(message.topic),
          bytes: Buffer.byteLength(message.content),
          content: printable(message.content),
        },
        "message",
      );
      return { kind: "processed" };
    },
  };
}
