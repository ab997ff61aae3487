/** NATS, if configured: greeting, login, and a round trip of PING, by the four text lines of its protocol. */
import net from "node:net";
import tls from "node:tls";
import type { Session } from "../session.ts";
import { printable } from "../terminal/printable.ts";
import { type Check, failed, ok } from "./check.ts";

const DEADLINE_MS = 3_000;

type Asked =
  | { readonly ok: true; readonly version: string; readonly ms: number }
  | { readonly ok: false; readonly why: string };

/** @param ca PEM of the authority that signed the server's certificate; null: the system's authorities */
export async function checkNats(session: Session, url: string, ca: string | null): Promise<Check> {
  const { doctor: t } = session.texts;
  const asked = await ask(new URL(url), ca, session.now);
  if (!asked.ok)
    return failed("nats", printable(asked.why, 200), /authori/i.test(asked.why) ? t.natsLoginFix : t.natsFix);
  return ok("nats", t.natsFound(printable(asked.version, 40), asked.ms.toFixed(1)), {
    round_trip_ms: asked.ms,
    version: asked.version,
  });
}

/** Never rejects; the socket is closed when it resolves. */
function ask(url: URL, ca: string | null, now: () => number): Promise<Asked> {
  return new Promise((resolve) => {
    const plain = net.connect({ host: url.hostname, port: Number(url.port || 4222) });
    let socket: net.Socket = plain;
    let rest = "";
    let version: string | null = null;
    let askedAt = 0;
    const end = (asked: Asked): void => {
      clearTimeout(timer);
      // First: a TLS socket says `close` while the one below it is being destroyed, and comes back here.
      resolve(asked);
      for (const one of new Set([plain, socket])) one.destroy();
    };
    const timer = setTimeout(() => end({ ok: false, why: `no answer within ${DEADLINE_MS} ms` }), DEADLINE_MS);
    const login = (): void => {
      askedAt = now();
      socket.write(`CONNECT ${JSON.stringify(credentials(url))}\r\nPING\r\n`);
    };
    const onLine = (line: string): void => {
      if (line.startsWith("INFO ") && version === null) {
        const info = parseInfo(line.slice(5));
        version = info.version;
        if (url.protocol === "tls:" || info.wantsTls) socket = secure(plain, tlsOf(url, ca), listen, login, end);
        else login();
      } else if (line.startsWith("-ERR")) end({ ok: false, why: line.slice(4).trim() });
      else if (line === "PONG" && version !== null) end({ ok: true, version, ms: now() - askedAt });
    };
    const listen = (from: net.Socket): void => {
      from.on("data", (bytes: Buffer) => {
        const lines = (rest + bytes.toString("latin1")).slice(-65_536).split("\r\n");
        rest = lines.pop() ?? "";
        for (const line of lines) onLine(line);
      });
      from.once("error", (error: NodeJS.ErrnoException) => end({ ok: false, why: error.code ?? error.message }));
      from.once("close", () =>
        end({ ok: false, why: version === null ? "it is no NATS server" : "connection closed" }),
      );
    };
    listen(plain);
  });
}

/** A name in the certificate is asked for by name; an address is looked for as such. */
function tlsOf({ hostname: host }: URL, ca: string | null): tls.ConnectionOptions {
  return { host, ...(net.isIP(host) === 0 ? { servername: host } : {}), ...(ca === null ? {} : { ca }) };
}

function secure(
  plain: net.Socket,
  options: tls.ConnectionOptions,
  listen: (socket: net.Socket) => void,
  login: () => void,
  end: (asked: Asked) => void,
): net.Socket {
  plain.removeAllListeners("data");
  plain.removeAllListeners("close");
  const socket = tls.connect({ ...options, socket: plain }, login);
  plain.once("error", (error) => end({ ok: false, why: error.message }));
  listen(socket);
  return socket;
}

function parseInfo(text: string): { readonly version: string; readonly wantsTls: boolean } {
  try {
    const info = JSON.parse(text) as { version?: string; tls_required?: boolean };
    return { version: String(info.version ?? "?"), wantsTls: info.tls_required === true };
  } catch {
    return { version: "?", wantsTls: false };
  }
}

/** As the services read them: user and password, or a token alone, before the @. */
function credentials(url: URL): object {
  const user = decodeURIComponent(url.username);
  const pass = decodeURIComponent(url.password);
  const login = user === "" ? {} : pass === "" ? { auth_token: user } : { user, pass };
  return { verbose: false, pedantic: false, name: "acktor-doctor", lang: "node", version: "1", ...login };
}
