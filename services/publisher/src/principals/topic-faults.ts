/** Topics that a principal names and may not touch: 403 with the field, and where it may. */
import type { ApiFault } from "@acktor/shared/runtime/api-error";
import type { Principal } from "./principal.ts";

/** The fault of a topic that is named and may not be read; null where it may be. */
export function readFault(principal: Principal, topic: string | undefined): ApiFault | null {
  if (topic === undefined || principal.read.has(topic)) return null;
  return outside(principal, "topic", "read");
}

/** The fault of a topic that may not be written to; null where it may be. @param field the name that the caller knows */
export function writeFault(principal: Principal, topic: string, field: string): ApiFault | null {
  return principal.write.has(topic) ? null : outside(principal, field, "write to");
}

function outside({ name, read, write }: Principal, field: string, verb: "read" | "write to"): ApiFault {
  const { list } = verb === "read" ? read : write;
  const message = `${field} is outside the topics that the token of ${name} may ${verb}`;
  const fix = list.length === 0 ? "Use a token that has topics." : `Use a topic under ${list.slice(0, 10).join(", ")}.`;
  return { code: "forbidden", field, message, fix };
}
