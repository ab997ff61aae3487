/** The acker over HTTP: health, metrics, status and its actors. */
import type { Pool } from "@acktor/shared/db/pool";
import { addressOf, createHttp } from "@acktor/shared/runtime/http-server";
import type { Logger } from "@acktor/shared/runtime/logger";
import { type AckerSettings, allowedHosts, requestsPerSecond } from "@acktor/shared/runtime/settings";
import type { FastifyInstance } from "fastify";
import type { Acker } from "../acker.ts";
import { VERSION } from "../version.ts";
import type { AckerControl } from "./acker-control.ts";
import { addCommandRoutes } from "./command-routes.ts";
import { createMetrics } from "./metrics.ts";
import { RefusedCommands } from "./refused-commands.ts";
import { ACKER_DOCS } from "./route-docs.ts";
import { addRoutes } from "./routes.ts";
import type { AckerView } from "./view.ts";

export interface AckerHttpParts {
  readonly config: AckerSettings;
  readonly logger: Logger;
  readonly acker: Acker;
  readonly view: AckerView;
  readonly control: AckerControl;
  readonly pool: Pool;
}

export class AckerHttp {
  readonly #config: AckerSettings;
  readonly #app: FastifyInstance;

  constructor({ config, logger, acker, view, control, pool }: AckerHttpParts) {
    this.#config = config;
    this.#app = createHttp({
      service: "acker",
      version: VERSION,
      token: config.ACKTOR_API_TOKEN,
      allowedHosts: allowedHosts(config),
      requestsPerSecond: requestsPerSecond(config.HTTP_HOST, config.ACKTOR_RATE_LIMIT),
      logger,
      registry: createMetrics(acker, control, pool),
      health: view,
      docs: ACKER_DOCS,
      refusals: new RefusedCommands(logger),
    });
    addRoutes(this.#app, view, control);
    const who = config.ACKTOR_API_TOKEN === null ? "local" : "operator";
    addCommandRoutes(this.#app, { desk: control.plane.desk, instance: acker.parts.instance, who });
  }

  /** @returns the fault of a port that cannot be listened on, or null */
  async listen(): Promise<string | null> {
    const { HTTP_HOST: host, HTTP_PORT: port } = this.#config;
    try {
      await this.#app.listen({ host, port });
      return null;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "EADDRINUSE") {
        return `HTTP_PORT ${port} is taken on ${host} by another process. Choose another one, or 0 for any free port. Example: HTTP_PORT=8081`;
      }
      return `HTTP_HOST ${host} and HTTP_PORT ${port} cannot be listened on (${code ?? message}). Example: HTTP_HOST=127.0.0.1`;
    }
  }

  /** Empty where it does not listen. */
  url(): string {
    return this.#app.server.listening ? addressOf(this.#app) : "";
  }

  async stop(): Promise<void> {
    await this.#app.close();
  }
}
