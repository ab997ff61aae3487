/**
 * The acker, put together: the way of a message from the broker to the row, and of the answer back.
 *
 *   subscribe → verify → inbox → handle → ack
 *
 * Read this file first, then the folders in the order of that line. Nothing but this file and `pipeline.ts` knows more
 * than one step.
 */
import type { Bus } from "@acktor/shared/bus/bus";
import type { Environment } from "@acktor/shared/runtime/config";
import { addressOf } from "@acktor/shared/runtime/http-server";
import { createLogger } from "@acktor/shared/runtime/logger";
import type { Running } from "@acktor/shared/runtime/main";
import { type AckerSettings, instanceName } from "@acktor/shared/runtime/settings";
import { startTracing } from "@acktor/shared/runtime/tracing";
import type { FastifyInstance } from "fastify";
import { Acker } from "./acker.ts";
import { readAckerConfig } from "./config.ts";
import type { Handler } from "./handle/handler.ts";
import { VERSION } from "./version.ts";

export interface StartOptions {
  /** Where log lines go; standard output when absent. */
  readonly logStream?: { write(line: string): void };
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  /** 0 to 1. */
  readonly random?: () => number;
  /** Instead of the built-in handler that ACKTOR_HANDLER names. */
  readonly handler?: Handler;
  /** A bus that several services of this process share; not used where NATS_URL is set, and not stopped here. */
  readonly bus?: Bus;
}

export interface RunningAcker extends Running {
  readonly instance: string;
  /** Takes no messages until `resume`; what was taken is finished. */
  pause(): void;
  resume(): void;
}

export type StartAckerResult = RunningAcker | { readonly ok: false; readonly faults: readonly string[] };

/**
 * Starts an acker: HTTP listens when this resolves; messages are taken from `started` on.
 * @returns every fault of the configuration at once, a port that is taken included
 */
export async function startAcker(env: Environment, options: StartOptions = {}): Promise<StartAckerResult> {
  const read = readAckerConfig(env);
  if (!read.ok) return read;
  const { config } = read;
  const instance = instanceName(config.ACKTOR_INSTANCE, config.HTTP_PORT);
  const logger = createLogger("acker", instance, config.LOG_LEVEL, options.logStream);
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  const acker = new Acker({
    tracing: await startTracing({ service: "acker", instance, version: VERSION, endpoint, logger }),
    config,
    instance,
    logger,
    handler: options.handler ?? null,
    now: options.now ?? (() => performance.now()),
    wallClock: () => Date.now(),
    random: options.random ?? Math.random,
    bus: options.bus ?? null,
  });
  const fault = await listen(acker.http, config);
  if (fault !== null) {
    await acker.close();
    return { ok: false, faults: [fault] };
  }
  const supervisor = acker.supervise();
  return {
    ok: true,
    url: addressOf(acker.http),
    instance,
    started: supervisor.started,
    stop: () => supervisor.stop(),
    stopped: supervisor.stopped,
    pause: () => supervisor.pause(),
    resume: () => supervisor.resume(),
  };
}

/** The fault of a port that cannot be had, or null. */
async function listen(http: FastifyInstance, config: AckerSettings): Promise<string | null> {
  const { HTTP_HOST: host, HTTP_PORT: port } = config;
  try {
    await http.listen({ host, port });
    return null;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") {
      return `HTTP_PORT ${port} is taken on ${host} by another process. Choose another one, or 0 for any free port. Example: HTTP_PORT=8081`;
    }
    return `HTTP_HOST ${host} and HTTP_PORT ${port} cannot be listened on (${code ?? message}). Example: HTTP_HOST=127.0.0.1`;
  }
}
