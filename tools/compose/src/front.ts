/**
 * The service `front`: one published address for any number of publishers. At its start it sends the first message and
 * prints the console's address.
 *
 *   node front.js --publisher HOST:PORT --console URL --topics FILTERS
 *
 * It listens on HTTP_PORT (8080) after the first message is acknowledged, or after `WELCOME_MS`.
 *
 * Invariants:
 *  FRONT-1. It prints where the console and its token are, never the token: logs are stored and read by people who may not
 *           start containers.
 */

import { parseArgs } from "node:util";
import { readConfig } from "@acktor/shared/runtime/config";
import { knownNames, publisherSettings } from "@acktor/shared/runtime/settings";
import { standardError, standardOutput } from "@acktor/shared/runtime/terminal-door";
import { createForwarder } from "./forwarder.ts";
import { type Welcome, welcome } from "./welcome.ts";

const { values } = parseArgs({
  options: {
    publisher: { type: "string", default: "publisher:8080" },
    console: { type: "string", default: "http://127.0.0.1:8080" },
    topics: { type: "string", default: "" },
  },
});
const WELCOME_MS = 20_000;
/** A command that prints the token from the container's file. FRONT-1 */
const TOKEN_WORDS = "token / トークン: docker compose exec front cat /run/secrets/api-token";
/** How long open answers may take after a stop. */
const LAST_BYTES_MS = 1_000;

const { ACKTOR_API_TOKEN, HTTP_HOST, HTTP_PORT } = publisherSettings;
const read = readConfig({ ACKTOR_API_TOKEN, HTTP_HOST, HTTP_PORT }, process.env, knownNames);
if (read.ok) await run(read.config);
else {
  standardError.write(
    `acktor front: the configuration has ${read.faults.length} fault(s)\n  - ${read.faults.join("\n  - ")}\n`,
  );
  process.exitCode = 2;
}

async function run(config: {
  readonly ACKTOR_API_TOKEN: string | null;
  readonly HTTP_HOST: string;
  readonly HTTP_PORT: number;
}): Promise<void> {
  const [host = "publisher", port = "8080"] = values.publisher.split(":");
  const stopping = new AbortController();
  const { server, stop } = createForwarder({ host, port: Number(port) });
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => {
      stopping.abort();
      setTimeout(() => void stop(), server.listening ? LAST_BYTES_MS : 0);
    });
  }
  const token = config.ACKTOR_API_TOKEN ?? "";
  const topic = welcomeTopic(values.topics);
  const api = `http://${values.publisher}`;
  const met =
    topic === "" ? "seen" : await welcome({ api, token, topic, withinMs: WELCOME_MS, signal: stopping.signal });
  if (stopping.signal.aborted) return;
  server.listen({ host: config.HTTP_HOST, port: config.HTTP_PORT }, () => say(met));
}

/** A topic of the first filter, for the first message. Empty without a filter. */
function welcomeTopic(filters: string): string {
  return (filters.split(",")[0] ?? "").trim().replace(/[+#]/g, "welcome");
}

function say(met: Welcome): void {
  const first: Readonly<Record<Welcome, string>> = {
    acknowledged:
      "acktor is ready; its first message is acknowledged / 準備ができました。最初のメッセージは確認済みです",
    seen: "acktor is ready / 準備ができました",
    unanswered:
      "acktor is running; its first message is not acknowledged yet / 起動しました。最初のメッセージはまだ確認済みではありません",
  };
  standardOutput.say([first[met], values.console, TOKEN_WORDS].join("\n"));
}
