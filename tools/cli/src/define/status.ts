/** `status`, `watch`, `replay-recording`. */
import type { Command } from "commander";
import { type Definer, durationOption, examples, positive, withApi } from "./definer.ts";

export function defineStatus(definer: Definer): void {
  defineShow(definer);
  defineWatch(definer);
  defineReplayRecording(definer);
}

function defineShow(definer: Definer): void {
  const { program, texts, run } = definer;
  const { help } = texts;
  program
    .command("status")
    .description(help.status)
    .option("-w, --watch", help.statusWatch)
    .addOption(durationOption(definer, "--interval <duration>", help.interval, "2s"))
    .addHelpText(
      "after",
      examples(
        definer,
        "acktor status",
        "acktor status --watch --interval 1s",
        "acktor status --json | jq .status.connection.state",
      ),
    )
    .action((options: { watch?: boolean; interval: number }, command: Command) =>
      run(
        command,
        withApi(async (session, api) => (await import("../commands/status.ts")).status(session, api, options)),
      ),
    );
}

function defineWatch(definer: Definer): void {
  const { program, texts, run } = definer;
  const { help } = texts;
  program
    .command("watch")
    .description(help.watch)
    .option("--record <file>", help.record)
    .option("-a, --all", help.all)
    .addHelpText(
      "after",
      examples(
        definer,
        "acktor watch",
        "acktor watch --record incident.jsonl",
        "acktor watch --json | jq -c 'select(.event==\"inspect\")'",
      ),
    )
    .action((options: { record?: string; all?: boolean }, command: Command) =>
      run(
        command,
        withApi(async (session, api) => (await import("../commands/watch.ts")).watch(session, api, options)),
      ),
    );
}

function defineReplayRecording(definer: Definer): void {
  const { program, texts, run } = definer;
  const { help } = texts;
  program
    .command("replay-recording")
    .description(help.replayRecording)
    .argument("<file>", help.recordingFile)
    .option("--speed <factor>", help.speed, positive(definer), 1)
    .option("--no-wait", help.noWait)
    .option("-a, --all", help.all)
    .addHelpText(
      "after",
      examples(
        definer,
        "acktor replay-recording incident.jsonl",
        "acktor replay-recording incident.jsonl --speed 10",
        "acktor replay-recording incident.jsonl --no-wait --json",
      ),
    )
    .action((file: string, options: { speed: number; wait: boolean; all?: boolean }, command: Command) =>
      run(command, async (session) =>
        (await import("../commands/replay-recording.ts")).replayRecording(session, file, options),
      ),
    );
}
