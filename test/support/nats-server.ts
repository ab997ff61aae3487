/** A real nats-server of the test, to be killed and started again on its port. */
import type { TestContext } from "node:test";
import { anyPort } from "./ports.ts";
import { type Running, run } from "./processes.ts";
import { need } from "./require.ts";

export interface NatsServer {
  /** nats://127.0.0.1:port, with credentials where the server requires them. */
  readonly url: string;
  readonly port: number;
  /** The output of the running server. */
  log(): string;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts the server again on the same port, with other arguments if given. */
  start(args?: readonly string[]): Promise<void>;
}

export interface NatsServerOptions {
  /** Command line arguments, such as `--auth` and a token. */
  readonly args?: readonly string[];
  /** The part of the URL before the @. */
  readonly credentials?: string;
}

/** Starts nats-server, and stops it with the test. Where it is not installed: skips the test and returns null. */
export async function startNatsServer(t: TestContext, options: NatsServerOptions = {}): Promise<NatsServer | null> {
  const program = need("nats-server", t);
  if (program === null) return null;
  const { args = [], credentials } = options;
  const port = await anyPort();
  let running: Running | null = null;
  const start = async (own: readonly string[] = args): Promise<void> => {
    running = run(t, program, ["-a", "127.0.0.1", "-p", String(port), ...own]);
    await running.says(/Server is ready/, 10_000);
  };
  await start();
  return {
    url: `nats://${credentials === undefined ? "" : `${credentials}@`}127.0.0.1:${port}`,
    port,
    start,
    log: () => running?.output() ?? "",
    async kill() {
      await running?.kill();
    },
  };
}
