/**
 * `npm start`: publisher and acker in one process, with an own PostgreSQL and broker where none are configured.
 *
 * Invariants:
 *  START-1. The configuration is read before anything starts; all faults are reported together, exit code 2.
 *  START-2. The first URL on the screen is the console's: servers are named as host:port.
 *  START-3. After Ctrl-C, a failed start or an error, the parts stop in reverse order of their start; the database is last.
 */

import path from "node:path";
import { startAcker } from "@acktor/acker/app";
import { startPublisher } from "@acktor/publisher/app";
import { VERSION } from "@acktor/publisher/version";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import { PRERELEASE_DATABASE } from "@acktor/shared/db/prerelease";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import type { Running, StartResult } from "@acktor/shared/runtime/main";
import { describeError, standardError } from "@acktor/shared/runtime/terminal-door";
import { startBroker } from "./broker.ts";
import { fail, fileFailure, type Outcome, succeed } from "./failure.ts";
import { type LogFile, openLogFile } from "./log-file.ts";
import { makeFolder } from "./make-folder.ts";
import { chooseOutput } from "./output.ts";
import { ackerEnvironment, type Plan, type PortChoice, readPlan } from "./plan.ts";
import { freePort, portIsFree } from "./ports.ts";
import { startPostgres } from "./postgres.ts";
import { Progress } from "./progress.ts";
import { Stack } from "./stack.ts";
import { listenForStop, type StopRequest } from "./stop-request.ts";

const EXIT_CONFIGURATION = 2;
/** A service drains for at most 5 s. */
const SERVICE_STOP_MS = 6_000;
const READY_LIMIT_MS = 15_000;

const output = chooseOutput(process.argv);
const progress = new Progress(output, SYSTEM_CLOCK);
const say = (line: string): void => progress.say(line);

/** A path for people: relative below the working directory. */
function shown(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith("..") ? file : relative;
}

interface Pair {
  readonly publisher: Running;
  readonly acker: Running;
}

/** Starts every part in order; `stack` has the started ones even when a later part fails. */
async function startAll(plan: Plan, stack: Stack, stop: StopRequest): Promise<Outcome<Pair>> {
  const log = await openLog(plan);
  if (!log.ok) return log;
  stack.add({ name: "the log", limitMs: 1_000, stop: () => log.value.close() });
  const ports = await choosePorts(plan);
  if (!ports.ok) return ports;
  const database = await provideDatabase(plan, stack, stop);
  if (!database.ok) return database;
  const broker = await provideBroker(plan, stack);
  if (!broker.ok) return broker;
  const env = { ...plan.env, ...database.value, ...broker.value };
  // One bus for both, so that the console shows the acker as well. With NATS_URL each has its own.
  const options = { logStream: log.value, bus: new LocalBus() };
  progress.begin("starting the acker (details in the log)");
  const acker = await startAcker(ackerEnvironment(env, String(ports.value.acker)), options);
  const ackerUp = await addService(stack, "acker", acker, stop);
  if (!ackerUp.ok) return withFolder(ackerUp, plan);
  progress.begin("starting the publisher (details in the log)");
  const publisher = await startPublisher({ ...env, HTTP_PORT: String(ports.value.publisher) }, options);
  const publisherUp = await addService(stack, "publisher", publisher, stop);
  if (!publisherUp.ok) return withFolder(publisherUp, plan);
  return succeed({ publisher: publisherUp.value, acker: ackerUp.value });
}

/** For a data folder with a database of an older version: the fix is another folder. */
function withFolder(refused: Outcome<never>, plan: Plan): Outcome<never> {
  if (refused.ok || !plan.ownPostgres || !refused.failure.fix.startsWith(PRERELEASE_DATABASE)) return refused;
  const fix = `delete the folder ${path.resolve(plan.dataDir)} (its messages are lost), or set ACKTOR_DATA_DIR to another one`;
  return fail("old-data", `${PRERELEASE_DATABASE}.`, fix);
}

async function openLog(plan: Plan): Promise<Outcome<LogFile>> {
  const file = path.resolve(plan.dataDir, "acktor.log");
  try {
    await makeFolder(path.dirname(file));
    const log = openLogFile(file);
    say(`logs        ${shown(file)}`);
    return succeed(log);
  } catch (error) {
    return fileFailure(error, path.dirname(file));
  }
}

type Addresses = Readonly<Record<string, string>>;

async function provideDatabase(plan: Plan, stack: Stack, stop: StopRequest): Promise<Outcome<Addresses>> {
  if (!plan.ownPostgres) {
    say("PostgreSQL  configured by DATABASE_URL");
    return succeed({});
  }
  const dataDir = path.resolve(plan.dataDir, "postgres");
  progress.begin("starting PostgreSQL");
  const started = await startPostgres({ dataDir, narrator: progress, signal: stop.signal });
  if (!started.ok) return started;
  const { url, port, exited } = started.value;
  stack.add({ name: "PostgreSQL", limitMs: 20_000, stop: () => started.value.stop() });
  void exited.then(() => stop.ask(1, `PostgreSQL exited unexpectedly; see ${path.join(dataDir, "postgres.log")}`));
  say(`PostgreSQL  127.0.0.1:${port}, data in ${shown(dataDir)}`);
  return succeed({ DATABASE_URL: url });
}

async function provideBroker(plan: Plan, stack: Stack): Promise<Outcome<Addresses>> {
  if (!plan.ownBroker) {
    say("broker      configured by MQTT_URL");
    return succeed({});
  }
  progress.begin("starting the broker");
  const started = await startBroker({ narrator: progress });
  if (!started.ok) return started;
  const { url, port } = started.value;
  stack.add({ name: "the broker", limitMs: 5_000, stop: () => started.value.stop() });
  say(`broker      127.0.0.1:${port}`);
  return succeed({ MQTT_URL: url });
}

async function choosePorts(plan: Plan): Promise<Outcome<{ publisher: number; acker: number }>> {
  const publisher = await choosePort(plan.publisherPort, plan.httpHost);
  if (!publisher.ok) return publisher;
  const acker = await choosePort(plan.ackerPort, plan.httpHost);
  if (!acker.ok) return acker;
  return succeed({ publisher: publisher.value, acker: acker.value });
}

async function choosePort({ variable, port, fixed }: PortChoice, host: string): Promise<Outcome<number>> {
  if (port === 0 || (await portIsFree(port, host))) return succeed(port);
  if (fixed) {
    const fix = `stop what uses it, or set ${variable} to a free port (0 = any)`;
    return fail("port-taken", `Port ${port} (${variable}) is taken.`, fix);
  }
  const other = await freePort();
  say(`port ${port} is taken: ${variable === "HTTP_PORT" ? "the publisher" : "the acker"} uses ${other}`);
  return succeed(other);
}

/** Puts a service on the stack and waits until it works, without a limit: a configured database may start later. */
async function addService(
  stack: Stack,
  name: string,
  service: StartResult,
  stop: StopRequest,
): Promise<Outcome<Running>> {
  if (!service.ok) return fail("refused", `The ${name} did not start.`, service.faults.join("\n  "));
  stack.add({ name: `the ${name}`, limitMs: SERVICE_STOP_MS, stop: () => service.stop() });
  const started = await Promise.race([service.started, stop.code.then(() => "stopped" as const)]);
  if (started === "stopped") return fail("stopped", "Stopped while starting.", "start again");
  if (!started.ok) return fail("refused", `The ${name} cannot run.`, started.fault);
  // A service alone delivers nothing: when an operator drains it, everything stops.
  void service.stopped.then(() => stop.ask(0, `the ${name} has stopped`));
  say(`${name.padEnd(11)} ${new URL(service.url).host}`);
  return succeed(service);
}

/** Waits until messages can be delivered. An unreachable configured broker delays them; it does not fail the start. */
async function becomeReady({ publisher, acker }: Pair, stop: StopRequest): Promise<void> {
  progress.begin("connecting to the broker");
  const end = performance.now() + READY_LIMIT_MS;
  const services = [publisher, acker];
  while (!stop.signal.aborted && performance.now() < end) {
    const ready = await Promise.all(services.map(({ url }) => isReady(reachable(url), stop.signal)));
    if (ready.every(Boolean)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (!stop.signal.aborted) say("the broker does not answer yet; messages wait in the outbox until it does");
}

/** True when the service and its dependencies work; the publisher is ready without a broker, but degraded. */
async function isReady(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`, { signal });
    const { status } = (await response.json()) as { status?: string };
    return status === "ok";
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError || signal.aborted) return false;
    throw error;
  }
}

/** The loopback address of a service that listens on all addresses. */
function reachable(url: string): string {
  return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");
}

function welcome({ publisher, acker }: Pair, needsToken: boolean): void {
  const url = reachable(publisher.url);
  const token = needsToken ? ` -H "authorization: Bearer $ACKTOR_API_TOKEN"` : "";
  const body = `-H 'content-type: application/json' -d '{"topic":"greetings","content":"hello"}'`;
  progress.end();
  say("acktor is ready"); // START-2
  say(`console     ${url}`);
  say("\nSend a message; its state is at /v1/messages/<message_id>:\n");
  say(`curl -sS ${url}/v1/messages${token} ${body}`);
  say("\nCtrl-C stops everything; the data is kept.");
  output.result({ state: "ready", console: url, publisher: url, acker: reachable(acker.url) });
}

/** Starts everything, and returns the exit code when a stop is requested. */
async function runUntilStop(plan: Plan, stack: Stack, stop: StopRequest): Promise<number> {
  const started = await startAll(plan, stack, stop);
  if (started.ok) {
    await becomeReady(started.value, stop);
    if (!stop.signal.aborted) welcome(started.value, plan.needsToken);
  } else if (started.failure.kind !== "stopped") {
    output.fail(started.failure, 1);
    stop.ask(1, "");
  }
  return stop.code;
}

async function main(): Promise<number> {
  const read = readPlan(process.env);
  if (!read.ok) {
    output.misconfigured(read.faults, EXIT_CONFIGURATION);
    return EXIT_CONFIGURATION;
  }
  say(`acktor ${VERSION}`);
  const stop = listenForStop(progress, SYSTEM_CLOCK);
  const stack = new Stack(progress);
  try {
    const code = await runUntilStop(read.plan, stack, stop);
    progress.begin("stopping");
    // START-3
    return (await stack.stop()) ? code : Math.max(code, 1);
  } catch (error) {
    standardError.say(describeError(error));
    await stack.stop();
    return 1;
  } finally {
    progress.end();
    say("acktor has stopped");
  }
}

process.exit(await main());
