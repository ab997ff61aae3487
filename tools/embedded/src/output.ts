/** Output of `start` and `demo`: progress on standard output; with `--json` on standard error, and one line of result. */
import { standardError, standardOutput } from "@acktor/shared/runtime/terminal-door";
import { describeFailure, type StartFailure } from "./failure.ts";
import type { Narrator } from "./progress.ts";

export interface Output extends Narrator {
  /** For programs; not printed for people, who have read it as progress. */
  result(value: object): void;
  /** @param exit the exit code that follows */
  fail(failure: StartFailure, exit: number): void;
  /** All faults of the configuration. */
  misconfigured(faults: readonly string[], exit: number): void;
}

/** @param args as in `process.argv` */
export function chooseOutput(args: readonly string[]): Output {
  return args.includes("--json") ? FOR_PROGRAMS : FOR_PEOPLE;
}

const FOR_PEOPLE: Output = {
  say(line) {
    standardOutput.say(line);
  },
  result() {
    // The progress has shown it.
  },
  fail(failure) {
    standardError.say(describeFailure(failure));
  },
  misconfigured(faults) {
    standardError.say(`the configuration has ${faults.length} fault(s)`);
    for (const fault of faults) standardError.say(`  - ${fault}`);
  },
};

const FOR_PROGRAMS: Output = {
  say(line) {
    standardError.say(line);
  },
  result(value) {
    standardOutput.json(value);
  },
  fail({ kind, message, fix }, exit) {
    complain(kind.replaceAll("-", "_"), message, fix, exit);
  },
  misconfigured(faults, exit) {
    complain("bad_config", faults.join("; "), "correct the named settings", exit);
  },
};

function complain(code: string, message: string, fix: string, exit: number): void {
  standardError.json({ error: { code, message, fix, exit } });
}
