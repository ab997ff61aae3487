/**
 * docker-compose.yml, brought up for a test.
 *
 * Invariants:
 *  1. The names of project and image are drawn for each: no other project is touched.
 *  2. When the test has ended, however it ended, its containers, networks, volumes and images are gone.
 *  3. Every command ends: after its limit it is killed, and what it said is in the error.
 */
import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { cleanUp } from "../support/cleanup.ts";
import { anyPort } from "../support/ports.ts";
import { ROOT } from "../support/processes.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);
const COMMAND_MS = 60_000;
/** The first one may build the image. */
const UP_MS = 240_000;
const MOST_OUTPUT = 16 * 1_024 * 1_024;

/** Those of no profile. */
export const SERVICES = ["postgres", "mosquitto", "nats", "publisher", "acker", "front"] as const;
export type Service = (typeof SERVICES)[number];

export interface Said {
  readonly code: number;
  /** Standard output and standard error. */
  readonly output: string;
}

export interface ComposeStack {
  readonly project: string;
  /** Of the services; with `-init` behind it, the other one. */
  readonly image: string;
  /** http://127.0.0.1:port of `front`. */
  readonly url: string;
  /** A variable of the file, from now on. */
  set(name: string, value: string): void;
  /** `up -d --build --wait` with further arguments. */
  up(...args: readonly string[]): Promise<void>;
  /** A subcommand that has to succeed. @returns its standard output */
  compose(...args: readonly string[]): Promise<string>;
  /** A program in a service's container; any exit code. */
  exec(service: Service | "chaos", ...command: readonly string[]): Promise<Said>;
  /** SQL as the operator, by psql in the database's container. */
  psql(sql: string): Promise<Said>;
  /** Ids of a service's running containers. */
  containers(service: Service): Promise<string[]>;
  /** Resolves when each container of a service is healthy. */
  healthy(service: Service): Promise<void>;
  /** A file of the folder that a container was given. */
  secret(service: "publisher" | "acker" | "front", name: string): Promise<string>;
  /** A plain `docker compose up` in the foreground, as a person types it, until it has said `pattern`. @returns all it said */
  attached(pattern: RegExp): Promise<string>;
}

const PSQL = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", "acktor", "-f", "-"];

/** Prepares one; nothing is started before `up` or `attached`. */
export async function composeStack(t: TestContext, env: Readonly<Record<string, string>> = {}): Promise<ComposeStack> {
  const command = composeCommand();
  const project = `acktor-test-${randomBytes(3).toString("hex")}`;
  const port = await anyPort();
  const image = `${project}:test`;
  const own = { HTTP_PORT: String(port), IMAGE: image };
  const variables: NodeJS.ProcessEnv = { ...process.env, ...env, ...own };
  const options = { cwd: ROOT, env: variables, maxBuffer: MOST_OUTPUT };
  const words = (args: readonly string[]): string[] => [...command.slice(1), "-p", project, ...args];
  const [program = "docker"] = command;
  const compose = async (limitMs: number, args: readonly string[]): Promise<string> => {
    return (await run(program, words(args), { ...options, timeout: limitMs })).stdout;
  };
  cleanUp(t, () => anyExit("docker", ["image", "rm", image, `${image}-init`], options));
  cleanUp(t, () => compose(COMMAND_MS, ["--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5"]));
  const containers = async (service: Service): Promise<string[]> => {
    return (await compose(COMMAND_MS, ["ps", "--quiet", service])).split("\n").filter((id) => id !== "");
  };
  const exec = (service: Service | "chaos", ...rest: readonly string[]): Promise<Said> =>
    anyExit(program, words(["exec", "-T", service, ...rest]), options);
  return {
    project,
    image,
    url: `http://127.0.0.1:${port}`,
    exec,
    set(name, value) {
      options.env[name] = value;
    },
    psql: (sql) => anyExit(program, words(["exec", "-T", "postgres", ...PSQL]), options, sql),
    containers,
    compose: (...args) => compose(COMMAND_MS, args),
    async up(...args) {
      await compose(UP_MS, ["up", "--detach", "--build", "--wait", ...args]);
    },
    async healthy(service) {
      const isHealthy = async (id: string): Promise<boolean> =>
        (await docker("inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", id)).trim() ===
        "running healthy";
      const all = async (): Promise<boolean> => {
        const ids = await containers(service);
        return ids.length > 0 && (await Promise.all(ids.map(isHealthy))).every(Boolean);
      };
      await until(all, COMMAND_MS, `${service} to be healthy`);
    },
    async secret(service, name) {
      const said = await exec(service, "cat", `/run/secrets/${name}`);
      assert.equal(said.code, 0, said.output);
      return said.output.trim();
    },
    async attached(pattern) {
      await compose(UP_MS, ["build", "--quiet"]);
      return attached(t, program, words(["up", "--no-color"]), options, pattern);
    },
  };
}

/** The docker command, for what compose has no word for. @returns its standard output */
export async function docker(...args: readonly string[]): Promise<string> {
  return (await run("docker", args, { timeout: COMMAND_MS, maxBuffer: MOST_OUTPUT })).stdout;
}

interface SpawnOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly maxBuffer: number;
}

/** @param input for its standard input: a command line holds 128 KiB */
async function anyExit(
  program: string,
  args: readonly string[],
  options: SpawnOptions,
  input: string | null = null,
): Promise<Said> {
  try {
    const running = run(program, args, { ...options, timeout: COMMAND_MS });
    if (input !== null) running.child.stdin?.end(input);
    const { stdout, stderr } = await running;
    return { code: 0, output: `${stdout}${stderr}` };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { code?: number; stdout?: string; stderr?: string };
    if (typeof code !== "number") throw error;
    return { code, output: `${stdout}${stderr}` };
  }
}

async function attached(
  t: TestContext,
  program: string,
  args: readonly string[],
  options: SpawnOptions,
  pattern: RegExp,
): Promise<string> {
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  cleanUp(t, async () => {
    child.kill("SIGINT");
    await exited;
  });
  const said = (): boolean => {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}:\n${output}`);
    return pattern.test(output);
  };
  await until(said, UP_MS, `the log to say ${pattern}`);
  return output;
}

/** `docker compose`, or docker-compose 1. Throws where neither is there: these tests are only called where they can run. */
function composeCommand(): readonly string[] {
  for (const command of [["docker", "compose"], ["docker-compose"]]) {
    const [program = "", ...rest] = command;
    if (spawnSync(program, [...rest, "version"]).status === 0) return command;
  }
  throw new Error("neither docker compose nor docker-compose is installed");
}
