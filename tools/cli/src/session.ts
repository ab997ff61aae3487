/** One run of the command: what every subcommand receives. */
import type { Clock } from "@acktor/shared/runtime/clock";
import { printableCopy } from "@acktor/shared/runtime/printable";
import { Api, foreignAnswer } from "./api/api.ts";
import { type AddressOptions, readAddress } from "./api/credentials.ts";
import type { Environment } from "./environment.ts";
import { type CliFailure, describeFailure, EXIT, type ExitCode, type Result } from "./exit.ts";
import type { Terminal } from "./terminal/terminal.ts";
import type { Texts } from "./texts/texts.ts";

export interface SessionOptions {
  readonly terminal: Terminal;
  readonly texts: Texts;
  readonly env: Environment;
  readonly json: boolean;
  readonly address: AddressOptions;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly clock: Pick<Clock, "now">;
  readonly process: ProcessSignals;
}

/** The handling of the process's signals. */
export interface ProcessSignals {
  /** Stops handling signals, because another program takes over this process. */
  handOver(): void;
}

export class Session {
  readonly terminal: Terminal;
  readonly texts: Texts;
  readonly env: Environment;
  readonly json: boolean;
  readonly signal: AbortSignal;
  readonly clock: Pick<Clock, "now">;
  readonly process: ProcessSignals;
  readonly #address: AddressOptions;

  constructor(options: SessionOptions) {
    this.terminal = options.terminal;
    this.texts = options.texts;
    this.env = options.env;
    this.json = options.json;
    this.signal = options.signal;
    this.clock = options.clock;
    this.process = options.process;
    this.#address = options.address;
  }

  /** The service at the given address, or why it cannot be asked. */
  api(): Result<Api> {
    const { texts, env, signal } = this;
    if (this.#address.token !== undefined) this.terminal.note(texts.failures.tokenOnCommandLine);
    const address = readAddress(this.#address, env, texts);
    return address.ok ? { ok: true, value: new Api({ ...address.value, texts, signal }) } : address;
  }

  /**
   * Prints a result: as JSON with `--json`, else as text.
   * @param text receives a copy of the value in which every text is printable and on one line
   */
  answer<T extends object>(value: T, text: (shown: T) => string, exit: ExitCode = EXIT.done): ExitCode {
    if (this.json) this.terminal.json(value);
    else this.terminal.out(text(printableCopy(value)));
    return exit;
  }

  /**
   * Runs work that reads answers of a service. An answer that lacks a field comes from another version, or from another
   * program: the command reports `not_acktor` instead of a stack trace.
   */
  async reading(work: () => Promise<ExitCode>): Promise<ExitCode> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof TypeError) return this.fail(foreignAnswer(this.#url(), this.texts));
      throw error;
    }
  }

  #url(): string {
    const address = readAddress(this.#address, this.env, this.texts);
    return address.ok ? address.value.url : "";
  }

  /** Reports a failure on standard error; after Ctrl-C nothing. */
  fail(failure: CliFailure): ExitCode {
    if (this.signal.aborted) return EXIT.interrupted;
    this.terminal.note(describeFailure(failure, this.json, this.texts.failures.fix));
    return failure.exit;
  }
}
