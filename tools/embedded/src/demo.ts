/**
 * `npm run demo`: sends messages, stops the broker and starts it again, sends messages while no acker runs, and finally checks in
 * both databases that each message was processed once.
 *
 * Exit codes: 0 all checks passed, 1 one did not, 130 interrupted.
 */

import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import { standardError } from "@acktor/shared/runtime/terminal-door";
import { connectionTable, deliveryTable, selfCheck, statisticsTables } from "./demo-report.ts";
import { DemoFailure, DemoStage } from "./demo-stage.ts";
import { type DemoTexts, demoTexts, fill } from "./demo-texts.ts";
import { chooseOutput } from "./output.ts";
import { Stack } from "./stack.ts";
import { listenForStop } from "./stop-request.ts";

const SENT_IN_EACH_PART = 20;
const SEND_PAUSE_MS = 200;
/** Long enough to show the reconnects. */
const OUTAGE_MS = 12_000;
const NO_ACKER_MS = 10_000;
const READING_MS = 4_000;
const RECOVERY_LIMIT_MS = 30_000;
const INTERRUPTED = 130;

const output = chooseOutput(process.argv);
const { say } = output;

/** Runs the steps in order. Throws a DemoFailure when one fails. */
class Demo {
  readonly #stage: DemoStage;
  readonly #texts: DemoTexts;
  readonly #signal: AbortSignal;

  constructor(stage: DemoStage, texts: DemoTexts, signal: AbortSignal) {
    this.#stage = stage;
    this.#texts = texts;
    this.#signal = signal;
  }

  /** True when every check passed. */
  async run(): Promise<boolean> {
    await this.#calm();
    await this.#brokerAway();
    await this.#lateAcker();
    say(`\n${this.#texts.checking}\n`);
    await this.#showAll();
    const { passed, checks, table } = await selfCheck(this.#stage, this.#texts);
    say(`\n${table}\n`);
    output.result({ passed, checks });
    return passed;
  }

  async #calm(): Promise<void> {
    say(`\n${fill(this.#texts.sendCalm, SENT_IN_EACH_PART)}`);
    await this.#send("demo/calm");
    await this.#allAcknowledged();
    await this.#showAll();
    await this.#pause(READING_MS);
  }

  async #brokerAway(): Promise<void> {
    const { accepted } = this.#stage;
    say(`\n${this.#texts.brokerAway}`);
    const [before, begin] = [accepted.length, performance.now()];
    await this.#stage.takeBrokerAway();
    await this.#send("demo/outage");
    await this.#pause(OUTAGE_MS - (performance.now() - begin));
    say(fill(this.#texts.stillAccepted, accepted.length - before));
    await this.#showConnection();
    say(`\n${this.#texts.brokerBack}`);
    await this.#stage.bringBrokerBack();
    await this.#allAcknowledged();
    await this.#showConnection();
    await this.#pause(READING_MS);
  }

  async #lateAcker(): Promise<void> {
    const { accepted } = this.#stage;
    say(`\n${this.#texts.ackerAway}`);
    await this.#stage.stopAcker();
    const [before, begin] = [accepted.length, performance.now()];
    await this.#send("demo/late");
    await this.#pause(NO_ACKER_MS - (performance.now() - begin));
    say(fill(this.#texts.noAcker, accepted.length - before));
    say(`\n${await deliveryTable(this.#stage, this.#texts)}`);
    say(`\n${this.#texts.ackerLate}`);
    await this.#stage.startAcker();
    await this.#allAcknowledged();
    await this.#pause(READING_MS);
  }

  async #send(topic: string): Promise<void> {
    for (let i = 1; i <= SENT_IN_EACH_PART; i++) {
      await this.#stage.send(topic, `message ${i} of ${topic}`);
      await this.#pause(SEND_PAUSE_MS);
    }
  }

  async #allAcknowledged(): Promise<void> {
    const begin = performance.now();
    while ((await this.#open()) > 0) {
      if (performance.now() - begin > RECOVERY_LIMIT_MS) {
        throw new DemoFailure(
          `${await this.#open()} messages are still not acknowledged after ${RECOVERY_LIMIT_MS} ms`,
        );
      }
      await this.#pause(50);
    }
    say(fill(this.#texts.allAcknowledged, ((performance.now() - begin) / 1_000).toFixed(1)));
  }

  async #open(): Promise<number> {
    const rows = await this.#stage.sql<{ open: number }>(
      "select count(*)::int as open from publisher.message_delivery where state <> 'acknowledged'",
    );
    return rows[0]?.open ?? 0;
  }

  async #showConnection(): Promise<void> {
    say(`\n${connectionTable(await this.#stage.status(), this.#texts)}`);
  }

  async #showAll(): Promise<void> {
    const status = await this.#stage.status();
    say(`\n${connectionTable(status, this.#texts)}\n`);
    say(`${statisticsTables(status, this.#texts)}\n`);
    say(await deliveryTable(this.#stage, this.#texts));
  }

  /** Throws when the demonstration was interrupted. */
  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, Math.max(0, ms));
      this.#signal.addEventListener("abort", end);
      if (this.#signal.aborted) end();
    });
    if (this.#signal.aborted) throw new DemoFailure("interrupted");
  }
}

/** True when every check passed; false when one did not, or when the demonstration could not continue. */
async function perform(folder: string, stack: Stack, texts: DemoTexts, signal: AbortSignal): Promise<boolean> {
  try {
    const stage = await DemoStage.open(folder, stack, signal);
    return await new Demo(stage, texts, signal).run();
  } catch (error) {
    if (!(error instanceof DemoFailure)) throw error;
    if (!signal.aborted) standardError.say(error.message);
    return false;
  } finally {
    await stack.stop();
  }
}

async function main(): Promise<number> {
  const texts = demoTexts(process.env);
  const { signal } = listenForStop(output, SYSTEM_CLOCK);
  say(`${texts.title}\n\n${texts.starting}`);
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-demo-"));
  const passed = await perform(folder, new Stack(output), texts, signal);
  const keep = !passed && !signal.aborted;
  say(passed ? texts.passed : texts.failed);
  if (keep) say(fill(texts.kept, folder));
  else await rm(folder, { recursive: true, force: true });
  if (signal.aborted) return INTERRUPTED;
  return passed ? 0 : 1;
}

process.exit(await main());
