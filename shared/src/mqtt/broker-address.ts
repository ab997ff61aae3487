/** The broker's URL in parts: the driver gets the parts, people see an address without credentials. */

export type BrokerProtocol = "mqtt" | "mqtts" | "ws" | "wss";

export interface BrokerAddress {
  readonly protocol: BrokerProtocol;
  readonly host: string;
  readonly port: number;
  /** Path and query, for WebSockets. */
  readonly path: string;
  readonly username: string | null;
  readonly password: string | null;
  /** Without credentials. */
  readonly shown: string;
}

const PORTS: Readonly<Record<BrokerProtocol, number>> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 };

/** Throws on a URL that is not a broker's. */
export function parseBrokerUrl(text: string): BrokerAddress {
  const url = URL.canParse(text) ? new URL(text) : null;
  const protocol = url?.protocol.slice(0, -1);
  if (url === null || !isBrokerProtocol(protocol) || url.hostname === "") {
    throw new TypeError("the broker's URL must look like mqtt://host:1883, mqtts://, ws:// or wss://");
  }
  const port = url.port === "" ? PORTS[protocol] : Number(url.port);
  return {
    protocol,
    // Brackets are the URL's notation of an IPv6 address, not the socket's.
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    path: `${url.pathname || "/"}${url.search}`,
    username: url.username === "" ? null : decode(url.username),
    password: url.password === "" ? null : decode(url.password),
    shown: `${protocol}://${url.hostname}:${port}`,
  };
}

function isBrokerProtocol(text: string | undefined): text is BrokerProtocol {
  return text !== undefined && text in PORTS;
}

/** A password may contain a percent sign that stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
