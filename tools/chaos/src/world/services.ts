/** A publisher or an acker of the built code, as a process. */
import path from "node:path";
import { processUnit, type Unit } from "./unit.ts";

export interface ServiceUnit extends Unit {
  /** http://127.0.0.1:port */
  readonly url: string;
  /** `/v1/status`; null when the service does not answer in time. */
  status(timeoutMs?: number): Promise<ServiceStatus | null>;
  /** The state of the connection; null when the service does not answer. */
  connection(): Promise<string | null>;
  ready(): Promise<boolean>;
  /** Sets additional environment variables, used from the next start on. */
  setEnv(env: Readonly<Record<string, string>>): void;
}

/** The fields of `/v1/status` that the lab reads; the acker has only some of them. */
export interface ServiceStatus {
  readonly connection: { readonly state: string; readonly breaker: string };
  readonly statistics: {
    readonly disconnections: number;
    readonly breaker_openings: number;
    readonly errors_by_type: Readonly<Record<string, number>>;
  };
  readonly outbox?: { readonly accepted: number };
  readonly dispatcher?: { readonly published: number; readonly republished: number; readonly unacked: number };
  readonly acks?: { readonly settled: number };
  readonly uptime_seconds: number;
}

export interface ServiceOptions {
  readonly name: "publisher" | "acker";
  /** Folder of the build. */
  readonly root: string;
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
}

const STATUS_LIMIT_MS = 1_000;

export function serviceUnit({ name, root, port, env }: ServiceOptions): ServiceUnit {
  const url = `http://127.0.0.1:${port}`;
  const program = path.join(root, "services", name, "dist/main.js");
  const instance = { ACKTOR_INSTANCE: `${name}-lab`, HTTP_PORT: String(port) };
  const ready = (): Promise<boolean> => isOk(`${url}/readyz`);
  let more: Readonly<Record<string, string>> = {};
  const unit = processUnit({
    name,
    port,
    child: () => ({ file: process.execPath, args: [program], cwd: root, env: { ...instance, ...env, ...more } }),
    answers: () => isOk(`${url}/livez`),
  });
  const status = async (timeoutMs = STATUS_LIMIT_MS): Promise<ServiceStatus | null> => {
    try {
      const response = await fetch(`${url}/v1/status`, { signal: AbortSignal.timeout(timeoutMs) });
      return response.ok ? ((await response.json()) as ServiceStatus) : null;
    } catch {
      return null; // The service is killed, frozen or starting: null means an unknown state.
    }
  };
  return {
    ...unit,
    url,
    status,
    ready,
    connection: async () => (await status())?.connection.state ?? null,
    setEnv(env) {
      more = env;
    },
  };
}

async function isOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(STATUS_LIMIT_MS) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false; // There is no answer.
  }
}
