/** `send`, `messages list`, `messages show`. */
import { type Command, Option } from "commander";
import type { SendOptions } from "../commands/send.ts";
import { type Definer, durationOption, durationOrNone, examples, positive, wholeNumber, withApi } from "./definer.ts";

export const STATES = ["pending", "sent", "acknowledged", "failed", "expired"] as const;
const MOST_MESSAGES = 1_000_000;

export function defineMessages(definer: Definer): void {
  defineSend(definer);
  const { program, texts, run } = definer;
  const { help } = texts;
  const messages = program.command("messages").description(help.messages);
  messages
    .command("list")
    .description(help.messagesList)
    .addOption(new Option("--state <state>", help.state).choices(STATES))
    .option("--topic <topic>", help.topic)
    .option("--limit <n>", help.limit, wholeNumber(definer, 1, 1_000), 20)
    .option("--before <id>", help.before)
    .addHelpText(
      "after",
      examples(
        definer,
        "acktor messages list",
        "acktor messages list --state pending --limit 100",
        "acktor messages list --topic sensors/1/temp --json",
      ),
    )
    .action((options: { state?: string; topic?: string; limit: number; before?: string }, command: Command) =>
      run(
        command,
        withApi(async (session, api) => (await import("../commands/messages.ts")).list(session, api, options)),
      ),
    );
  messages
    .command("show")
    .description(help.messagesShow)
    .argument("<id>", help.messageId)
    .addHelpText("after", examples(definer, "acktor messages show 019ab1b5-6c7e-7d1f-8a55-3f0d1c9b2e44"))
    .action((id: string, _options: object, command: Command) =>
      run(
        command,
        withApi(async (session, api) => (await import("../commands/messages.ts")).show(session, api, id)),
      ),
    );
}

function defineSend(definer: Definer): void {
  const { program, texts, run } = definer;
  const { help } = texts;
  program
    .command("send")
    .description(help.send)
    .argument("<topic>", help.sendTopic)
    .argument("<payload>", help.payload)
    .option("--count <n>", help.count, wholeNumber(definer, 1, MOST_MESSAGES), 1)
    .option("--rate <per-second>", help.rate, positive(definer))
    .addOption(durationOption(definer, "--ttl <duration>", help.ttl))
    .addOption(durationOrNone(definer, "--hold <duration>", help.hold))
    .addOption(new Option("--qos <level>", help.qos).choices(["0", "1", "2"]).default("1"))
    .option("--retain", help.retain)
    .option("--ordering-key <key>", help.orderingKey)
    .option("--content-type <type>", help.contentType)
    .option("--max-retries <n>", help.maxRetries, wholeNumber(definer, 0, 1_000_000))
    .option("--idempotency-key <key>", help.idempotencyKey)
    .addOption(new Option("--wait <for>", help.wait).choices(["acked"]))
    .addOption(durationOption(definer, "--timeout <duration>", help.timeout, "30s"))
    .addHelpText(
      "after",
      examples(
        definer,
        "acktor send sensors/1/temp 21.5",
        "acktor send sensors/1/temp 21.5 --wait acked",
        "acktor send load/test hello --count 10000 --rate 500 --wait acked --timeout 2m",
        "cat picture.png | acktor send cameras/1 - --content-type image/png",
      ),
    )
    .action((topic: string, payload: string, options: SendOptions, command: Command) =>
      run(
        command,
        withApi(async (session, api) =>
          (await import("../commands/send.ts")).send(session, api, topic, payload, options),
        ),
      ),
    );
}
