/** Opens a TCP or TLS socket to the broker. */
import net from "node:net";
import tls from "node:tls";
import type { BrokerAddress } from "./broker-address.ts";
import type { TlsOptions } from "./transport.ts";

/**
 * Starts connecting. Nagle's algorithm is off: with it, a round trip takes 20-45 ms instead of 1 ms.
 * May throw what Node throws on unusable TLS options.
 */
export function openSocket({ protocol, host, port }: BrokerAddress, { alpn, ...options }: TlsOptions): net.Socket {
  if (protocol !== "mqtts") return net.connect({ host, port, noDelay: true });
  // SNI takes a name; an address has none.
  const servername = net.isIP(host) === 0 ? { servername: host } : {};
  const names = alpn === undefined ? {} : { ALPNProtocols: [...alpn] };
  const socket = tls.connect({ ...options, ...names, ...servername, host, port, rejectUnauthorized: true });
  socket.setNoDelay(true);
  return socket;
}
