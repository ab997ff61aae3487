/** `GET /v1/machines`, `GET /v1/events`: every actor of every instance on the bus: its state, and its transitions. */
import type { FleetEvent, FleetView } from "@acktor/shared/inspect/fleet-view";
import type { MachinesView } from "@acktor/shared/inspect/wire";
import { sendFault } from "@acktor/shared/runtime/api-error";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import type { LongAnswer } from "../principals/principal-book.ts";
import { EventStream, eventText, MOST_VIEWERS } from "./event-stream.ts";
import { parseQuery } from "./faults.ts";
import type { MachineView } from "./status-routes.ts";

export interface MachineRoutes {
  readonly fleet: FleetView;
  readonly machines: MachineSource;
  /** Ends the stream of a viewer whose token is no longer in force. */
  readonly gate?: ViewerGate;
  readonly logger?: Logger;
}

/** This process's actors. */
export interface MachineSource {
  actors(): readonly MachineView[];
}

interface ViewerGate {
  /** @returns what ends the watch */
  watch(request: FastifyRequest, answer: LongAnswer): () => void;
}

const OPEN: ViewerGate = { watch: () => () => undefined };

export const machinesQuery = z.strictObject({ recent: z.enum(["true", "false"], "is not true or false").optional() });

/** @returns the stream, for its counts */
export function addMachineRoutes(app: FastifyInstance, options: MachineRoutes): EventStream {
  const { fleet, machines, logger, gate = OPEN } = options;
  const stream = new EventStream();
  const picture = async (recent: boolean): Promise<MachinesView> => {
    const seen = await fleet.picture(recent);
    return { actors: machines.actors().map((actor) => ({ ...actor })), ...seen };
  };

  app.get("/v1/machines", async (request, reply) => {
    const query = parseQuery(machinesQuery, request.query);
    if (!query.ok) return sendFault(reply, query.fault);
    return picture(query.value.recent === "true");
  });

  app.get("/v1/events", { exposeHeadRoute: false }, async (request, reply) => {
    if (!stream.hasRoom) {
      const message = `${MOST_VIEWERS} viewers watch this publisher already`;
      return sendFault(reply, { code: "too_many_viewers", message, retryAfterSeconds: 10 });
    }
    reply.hijack();
    // Listens to the fleet before it asks for the picture, so that no event is lost between the two.
    const unlisten = fleet.listen(relay);
    const unwatch = gate.watch(request, reply.raw);
    const viewer = stream.add(reply.raw, () => {
      unwatch();
      if (stream.size === 0) unlisten();
    });
    try {
      stream.begin(viewer, eventText("snapshot", await picture(true)));
    } catch (error) {
      // The answer has begun, so it can only be closed. The viewer connects again.
      logger?.error({ err: error }, "the initial snapshot could not be sent to a viewer");
      reply.raw.destroy();
    }
    return reply;
  });

  /** One listener for all viewers: the fleet counts it once, however often it is added. */
  function relay({ name, data }: FleetEvent): void {
    stream.tell(eventText(name, data));
  }

  app.addHook("preClose", async () => stream.stop());
  return stream;
}
