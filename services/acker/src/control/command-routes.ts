/**
 * Operator's commands to this acker by HTTP, for where no bus connects it with a publisher, which sends commands to all
 * instances.
 */
import type { CommandDesk } from "@acktor/shared/inspect/command-desk";
import { COMMAND_ROUTES } from "@acktor/shared/inspect/command-routes";
import { type ApiFault, sendFault } from "@acktor/shared/runtime/api-error";
import type { FastifyInstance } from "fastify";
import { z } from "zod";

export interface CommandRoutes {
  readonly desk: Pick<CommandDesk, "run">;
  readonly instance: string;
  /** Name of the caller in the audit: the holder of the token, or a caller on loopback without one. */
  readonly who: "operator" | "local";
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is its purpose
const label = z.string().regex(/^[^\u0000-\u001f\u007f-\u009f]{1,255}$/, "is not 1 to 255 printable characters");
export const commandBody = z.strictObject({ who: label.optional() });
export const targetQuery = z.strictObject({
  service: z.enum(["publisher", "acker"], "is not publisher or acker").optional(),
  instance: label.optional(),
});

const ELSEWHERE =
  "Send commands for other instances to a publisher, or to the address of the instance itself (ACKTOR_URL).";
const NOT_FROM_HERE = "Look at the states in GET /v1/machines: this command is not possible from them.";

export function addCommandRoutes(app: FastifyInstance, { desk, instance, who }: CommandRoutes): void {
  for (const [route, command] of Object.entries(COMMAND_ROUTES)) {
    app.post(route, async (request, reply) => {
      const query = targetQuery.safeParse(request.query);
      if (!query.success) return sendFault(reply, faultOf(query.error));
      const body = commandBody.safeParse(request.body ?? {});
      if (!body.success) return sendFault(reply, faultOf(body.error));
      const { service = "acker", instance: name = instance } = query.data;
      if (service !== "acker" || (name !== instance && name !== "all")) {
        return sendFault(reply, { code: "no_answer", message: `this is acker ${instance}`, fix: ELSEWHERE });
      }
      const asked = { command, who, said: body.data.who ?? null, from: request.ip, args: {} };
      const { v: _, ...answer } = await desk.run(asked);
      if (name === "all") return reply.send({ replies: [answer] });
      const { ok, code, reason: message = "it refused", result } = answer;
      if (ok) return reply.send(result ?? {});
      if (code === 503) return sendFault(reply, { code: "stopping", message });
      return sendFault(reply, { code: "conflict", message, fix: NOT_FROM_HERE });
    });
  }
}

function faultOf(error: z.ZodError): ApiFault {
  const issue = error.issues[0];
  if (issue?.code === "unrecognized_keys") {
    const field = (issue.keys[0] ?? "").slice(0, 100);
    return { code: "unknown_field", field, message: `${field} is not known here` };
  }
  const field = String(issue?.path[0] ?? "body");
  return { code: "invalid_field", field, message: `${field} ${issue?.message ?? "is not valid"}` };
}
