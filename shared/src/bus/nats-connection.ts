/** One connection to NATS. The only importer of `nats` (2.29.3). */
import { connect, createInbox, type Msg, type NatsConnection, type Subscription } from "nats";
import type { Clock, Random } from "../runtime/clock.ts";
import type { FreshText } from "../runtime/fresh-settings.ts";
import type { Logger } from "../runtime/logger.ts";

export { createInbox, type Msg, type NatsConnection, type Subscription };

export interface NatsBusOptions {
  /** nats:// or tls://; user and password, or a token alone, before the @. */
  readonly url: string;
  /** Reads the URL again at each connect: its user, password or token may be in a file that changes. */
  readonly fresh?: FreshText<"NATS_URL"> | undefined;
  /** CA (PEM) of the server's certificate; without one, the system's. For tls:// only. */
  readonly ca?: string | null;
  /** First word of the inboxes that receive replies. Default `_INBOX`. */
  readonly inbox?: string;
  /** Name of this client in the server's list. */
  readonly name: string;
  /** The answer of the NATS services API for this client (`$SRV.PING`, `INFO`, `STATS`). */
  readonly service: { readonly name: string; readonly version: string; readonly metadata: Record<string, string> };
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** Address and credentials. */
export interface NatsTarget {
  readonly servers: string;
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly tls?: object;
}

const CONNECT_TIMEOUT_MS = 5_000;
const PING_EVERY_MS = 5_000;
/** NATS-2 */
const PINGS_UNANSWERED = 2;

/** Reads a NATS URL; a user without a password is a token. Throws on an invalid URL. */
export function readNatsUrl(text: string, ca: string | null): NatsTarget {
  const url = new URL(text);
  const servers = `${url.hostname}:${url.port || "4222"}`;
  const tls = url.protocol === "tls:" ? { tls: ca === null ? {} : { ca } } : {};
  const user = decodeURIComponent(url.username);
  if (user === "") return { servers, ...tls };
  if (url.password === "") return { servers, token: user, ...tls };
  return { servers, user, pass: decodeURIComponent(url.password), ...tls };
}

/** Connects once, without the client's own reconnecting (nats-connector.ts). */
export function openNats(target: NatsTarget, { name, inbox }: NatsBusOptions): Promise<NatsConnection> {
  return connect({
    ...target,
    ...(inbox === undefined ? {} : { inboxPrefix: inbox }),
    name,
    reconnect: false,
    timeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_EVERY_MS,
    maxPingOut: PINGS_UNANSWERED,
    ignoreClusterUpdates: true,
  });
}

const LARGE_BYTES = 16 * 1024;

/**
 * The bytes of a message, for a queue. A message is a view of 64 KiB in which others arrived, so a small one is copied. A
 * large one is most of those 64 KiB, and copies of large ones doubled the garbage of a flood.
 */
export function ownBytes({ data }: Msg): Buffer {
  return data.byteLength < LARGE_BYTES ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
