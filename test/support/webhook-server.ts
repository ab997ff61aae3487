/** An HTTP endpoint on 127.0.0.1 that gives the answers that a test sets and keeps what it received. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { cleanUp } from "./cleanup.ts";

export interface Got {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface WebhookServer {
  readonly port: number;
  readonly got: Got[];
  answer: (got: Got, response: http.ServerResponse) => void;
}

export async function webhookServer(t: TestContext): Promise<WebhookServer> {
  const got: Got[] = [];
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = "", url = "", headers } = request;
    const one = { method, path: url, headers, body: Buffer.concat(chunks) };
    got.push(one);
    rig.answer(one, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp(t, () => {
    server.closeAllConnections();
    server.close();
  });
  const rig: WebhookServer = {
    port: (server.address() as AddressInfo).port,
    got,
    answer: (_got, response) => void response.writeHead(204).end(),
  };
  return rig;
}
