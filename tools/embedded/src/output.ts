/**
 * Where `start` and `demo` say what they do: on standard output, for people. With `--json` what they say goes to standard
 * error, and standard output has one line with the result.
 */
import { standardError, standardOutput } from "@acktor/shared/runtime/terminal-door";
import { describeFailure, type StartFailure } from "./failure.ts";

export interface Output {
  /** Progress, for people. */
  say(line: string): void;
  /** What it is all about; nothing for people, who have read it already. */
  result(value: object): void;
  /** @param exit the exit code that it leads to */
  fail(failure: StartFailure, exit: number): void;
  /** All faults of the configuration at once. */
  misconfigured(faults: readonly string[], exit: number): void;
}

/** @param args as in `process.argv` */
export function chooseOutput(args: readonly string[]): Output {
  return args.includes("--json") ? FOR_PROGRAMS : FOR_PEOPLE;
}

const FOR_PEOPLE: Output = {
  say: (line) => standardOutput.say(line),
  result: () => undefined,
  fail: (failure) => standardError.say(describeFailure(failure)),
  misconfigured(faults) {
    standardError.say(`the configuration has ${faults.length} fault(s)`);
    for (const fault of faults) standardError.say(`  - ${fault}`);
  },
};

const FOR_PROGRAMS: Output = {
  say: (line) => standardError.say(line),
  result: (value) => standardOutput.json(value),
  fail: ({ kind, message, fix }, exit) => complain(kind.replaceAll("-", "_"), message, fix, exit),
  misconfigured: (faults, exit) =>
    complain("bad_config", faults.join("; "), "correct the settings that are named", exit),
};

function complain(code: string, message: string, fix: string, exit: number): void {
  standardError.json({ error: { code, message, fix, exit } });
}
