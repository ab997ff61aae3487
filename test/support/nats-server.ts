/** A real nats-server of the test, to be killed and started again on its port. */
import type { TestContext } from "node:test";
import { anyPort } from "./ports.ts";
import { type Running, run } from "./processes.ts";
import { need } from "./require.ts";

export interface NatsServer {
  /** nats://127.0.0.1:port, with the credentials where it wants some. */
  readonly url: string;
  readonly port: number;
  /** What the one that runs has said. */
  log(): string;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** On the same port; with other arguments where they are given. */
  start(args?: readonly string[]): Promise<void>;
}

export interface NatsServerOptions {
  /** As on its command line: `--auth`, a token. */
  readonly args?: readonly string[];
  /** What stands before the @ of the URL. */
  readonly credentials?: string;
}

/** Starts one, stopped with the test. Null, and the test is skipped, where there is no nats-server. */
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
