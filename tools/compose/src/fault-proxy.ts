/**
 * A proxy between the services and the broker that breaks the line on request. It forwards TLS and cannot read it.
 *
 * Invariants:
 *  FAULT_PROXY-1. Only processes of this container can send requests: the control port listens on loopback.
 *  FAULT_PROXY-2. One scenario runs at a time. It ends when its caller disconnects, and the line works again.
 */
import { createServer, type ServerResponse } from "node:http";
import { startTcpProxy, type TcpProxy } from "@acktor/chaos/proxy/tcp-proxy";
import { LINE_SCENARIOS, runLineFaults } from "@acktor/chaos/run/run-line-faults";

export interface FaultProxyOptions {
  readonly broker: { readonly host: string; readonly port: number };
  /** The address that the services connect to. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Port of the control requests, on loopback. */
  readonly controlPort: number;
}

export interface FaultProxy {
  readonly port: number;
  readonly controlPort: number;
  stop(): Promise<void>;
}

export async function startFaultProxy({ broker, listen, controlPort }: FaultProxyOptions): Promise<FaultProxy> {
  const line = await startTcpProxy({ ...listen, target: broker.port, targetHost: broker.host });
  const stopping = new AbortController();
  let busy = false;
  const server = createServer((request, response) => {
    const [, name = null] = /^\/scenarios\/([a-z-]+)$/.exec(request.url ?? "") ?? [];
    if (request.method === "GET")
      return reply(response, 200, { status: "ok", busy, open: line.open(), ...line.counts });
    if (name === null) return reply(response, 404, {});
    if (busy) return reply(response, 409, {}); // FAULT_PROXY-2
    busy = true;
    void perform(line, name, response, stopping.signal).finally(() => {
      busy = false;
    });
  });
  // FAULT_PROXY-1
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: controlPort }, resolve));
  const address = server.address();
  return {
    port: line.port,
    controlPort: typeof address === "object" && address !== null ? address.port : controlPort,
    async stop() {
      stopping.abort();
      server.closeAllConnections();
      server.close();
      await line.stop();
    },
  };
}

/** Answers after the last fault has ended. */
async function perform(line: TcpProxy, name: string, response: ServerResponse, stopping: AbortSignal): Promise<void> {
  const scenario = LINE_SCENARIOS.find((one) => one.name === name);
  if (scenario === undefined) return reply(response, 404, {});
  const left = new AbortController();
  response.once("close", () => left.abort());
  const signal = AbortSignal.any([left.signal, stopping]);
  const hits = await runLineFaults({ ...line, tcp: line.counts }, scenario, 1, signal);
  reply(response, 200, { hits });
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
