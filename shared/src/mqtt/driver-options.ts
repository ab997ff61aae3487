/** Options that switch off the driver's reconnect, stores, queues and timers. DRIVER-1 */
import type { PacketIds } from "./packet-ids.ts";
import type { TransportOptions } from "./transport.ts";

/** Limits the memory of one incoming packet; CONNECT announces it on MQTT 5. */
export const MAX_INCOMING_BYTES = 16 * 1_024 * 1_024;

/** Longer than any deadline of the transport. */
const LAST_RESORT_MS = 300_000;

/** The driver's keepalive resets a timer on every packet; ours is part of the sweep. */
const NO_TIMERS = { set: () => 0, clear: () => undefined };

export type DriverOptions = ReturnType<typeof driverOptions>;

function ignore(): void {}

/** @param ids shared with our own publishes */
export function driverOptions(options: TransportOptions, ids: PacketIds) {
  const { address, protocolVersion, will, auth } = options;
  const { alpn: _, ...tls } = options.tls;
  // The driver does not connect with a password alone, which MQTT 3.1.1 forbids: an empty name is allowed in both versions.
  const username = options.username ?? (options.password === null ? null : "");
  const isWebSocket = address.protocol === "ws" || address.protocol === "wss";
  const properties = {
    ...{ sessionExpiryInterval: 0, maximumPacketSize: MAX_INCOMING_BYTES },
    ...(auth === null ? {} : { authenticationMethod: auth.method, authenticationData: auth.data }),
  };
  return {
    protocol: address.protocol,
    host: address.host,
    hostname: address.host,
    port: address.port,
    ...(isWebSocket ? { path: address.path } : {}),
    ...(address.protocol === "wss" ? { ...tls, rejectUnauthorized: true } : {}),
    ...(username === null ? {} : { username }),
    ...(options.password === null ? {} : { password: options.password }),
    ...(will === null ? {} : { will: { ...will, payload: Buffer.from(will.payload) } }),
    ...(protocolVersion === 5 ? { properties } : {}),
    protocolId: "MQTT" as const,
    protocolVersion,
    clientId: options.clientId,
    clean: true,
    keepalive: options.keepaliveSeconds,
    reschedulePings: false,
    timerVariant: NO_TIMERS,
    // The transport's own deadlines are learned.
    connectTimeout: LAST_RESORT_MS,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    writeCache: false,
    messageIdProvider: ids,
    log: ignore,
  };
}
