/** Text as the outbox keeps it; what passes here is never refused by PostgreSQL for its characters. */
import { topicFault } from "@acktor/shared/protocol/topics";
import { z } from "zod";

const MAX_LABEL_LENGTH = 255;

/** Text that PostgreSQL can keep: no NUL, no lone surrogate. */
export const storable = z
  .string()
  .refine((v) => !v.includes("\u0000"), "contains NUL; send such content as content_base64")
  .refine((v) => v.isWellFormed(), "contains a lone surrogate, which is not UTF-8");

/** A name that people read in lists and logs: no control characters at all. */
export const label = storable
  .min(1, "is empty")
  .max(MAX_LABEL_LENGTH, `is longer than ${MAX_LABEL_LENGTH} characters`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is its purpose
  .refine((v) => !/[\u0000-\u001f\u007f-\u009f]/.test(v), "contains a control character");

/** A topic to filter by; PostgreSQL accepts some texts that are no topic not even as a parameter. */
export const topicName = z.string().refine((topic) => topicFault(topic) === null, "is not a topic name");
