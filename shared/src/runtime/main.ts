/** What both services' `main.ts` do: start, say what is wrong with the configuration, stop on a signal. */

import closeWithGrace from "close-with-grace";
import type { Supervisor } from "./supervisor.ts";
import { standardError } from "./terminal-door.ts";

export interface Running {
  readonly ok: true;
  /** The HTTP address. */
  readonly url: string;
  /** Resolves when the service works; `ok: false` when it never will (for example, a database newer than the code). */
  readonly started: Promise<{ readonly ok: true } | { readonly ok: false; readonly fault: string }>;
  /** Drains and closes everything. May be called early; a second call has no effect. */
  stop(): Promise<void>;
  /** Resolves when it has stopped, also when an operator told it to drain. */
  readonly stopped: Promise<void>;
}

/** A service that its supervisor runs. */
export class RunningService implements Running {
  readonly ok = true;
  readonly url: string;
  readonly started: Running["started"];
  readonly stopped: Promise<void>;
  readonly #supervisor: Supervisor;

  constructor(url: string, supervisor: Supervisor) {
    this.url = url;
    this.started = supervisor.started;
    this.stopped = supervisor.stopped;
    this.#supervisor = supervisor;
  }

  stop(): Promise<void> {
    return this.#supervisor.stop();
  }

  /** Takes no messages until `resume`; what was taken is finished. */
  pause(): void {
    this.#supervisor.pause();
  }

  resume(): void {
    this.#supervisor.resume();
  }
}

export type StartResult = Running | { readonly ok: false; readonly faults: readonly string[] };

const EXIT_CONFIGURATION = 2;

/**
 * Runs a service until a signal. Exit codes: 0 after SIGTERM, SIGINT or an operator's `drain`, 1 after an uncaught error or a failed start,
 * 2 for a configuration that cannot work.
 */
export async function runService(name: string, start: () => Promise<StartResult>): Promise<void> {
  const service = await start();
  if (!service.ok) {
    const lines = service.faults.map((fault) => `  - ${fault}`);
    standardError.write(`acktor ${name}: the configuration has ${lines.length} fault(s)\n${lines.join("\n")}\n`);
    process.exitCode = EXIT_CONFIGURATION;
    return;
  }
  let signalled = false;
  // The grace is a little under the five seconds that a supervisor is promised; then the process exits with 1.
  closeWithGrace({ delay: 4_800, logger: false }, async ({ err, signal }) => {
    signalled = true;
    if (err) standardError.write(`acktor ${name}: stopping after an uncaught error: ${err.stack ?? err.message}\n`);
    else standardError.write(`acktor ${name}: ${signal ?? "stop"} received, draining\n`);
    await service.stop();
  });
  const started = await service.started;
  if (started.ok) {
    await service.stopped;
    // After a signal close-with-grace ends the process, with the code that the signal's cause deserves.
    if (!signalled) process.exit(0);
    return;
  }
  standardError.write(`acktor ${name}: ${started.fault}\n`);
  await service.stop();
  process.exit(1);
}
