/** Faults between settings that both services have. */
import type { SignatureVersion } from "../protocol/ack-proof.ts";
import { isUnder } from "../protocol/topics.ts";
import { loginFaults, type TlsSettings, tlsFaults } from "./tls-settings.ts";

const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/;

export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** A setting is absent here where it could not be read. */
interface SharedSettings extends TlsSettings {
  readonly HTTP_HOST?: string;
  readonly ACKTOR_API_TOKEN?: string | null;
  readonly ACKTOR_NATS_SECRET?: string | null;
  readonly ACKTOR_ACK_PREFIX?: string;
  readonly ACKTOR_PRESENCE_PREFIX?: string;
}

export function sharedFaults(config: SharedSettings): string[] {
  const { HTTP_HOST: host, ACKTOR_API_TOKEN: token } = config;
  const exposed = host === undefined || token === undefined ? null : exposureFault(host, token);
  return [...tlsFaults(config), ...loginFaults(config), exposed, openBusFault(config), overlapFault(config)].filter(
    (fault) => fault !== null,
  );
}

/** The fault of listening on a network without a token, or null. */
export function exposureFault(host: string, token: string | null): string | null {
  if (isLoopback(host) || token !== null) return null;
  return `HTTP_HOST ${host} is not loopback, so ACKTOR_API_TOKEN is required. Example: ACKTOR_API_TOKEN_FILE=/run/secrets/api-token`;
}

/** The fault of accepting unauthenticated commands over a network, or null. */
function openBusFault(config: SharedSettings): string | null {
  const { NATS_URL: url, ACKTOR_NATS_SECRET: secret, ACKTOR_API_TOKEN: token } = config;
  if (typeof url !== "string" || secret !== null || token !== null) return null;
  const { hostname } = new URL(url);
  if (isLoopback(hostname.replace(/^\[|\]$/g, ""))) return null;
  return `NATS_URL names ${hostname}, which is not loopback, so ACKTOR_NATS_SECRET (or ACKTOR_API_TOKEN) is required: without it, every client of that server can send commands to this service. Example: ACKTOR_NATS_SECRET_FILE=/run/secrets/nats-secret`;
}

function overlapFault({ ACKTOR_ACK_PREFIX: ack, ACKTOR_PRESENCE_PREFIX: presence }: SharedSettings): string | null {
  if (ack === undefined || presence === undefined || !(isUnder(ack, presence) || isUnder(presence, ack))) return null;
  return `ACKTOR_ACK_PREFIX (${ack}) and ACKTOR_PRESENCE_PREFIX (${presence}) overlap. Choose two separate prefixes.`;
}

interface Named {
  readonly name: string;
  readonly isSet: boolean;
}

interface Signing {
  readonly ACKTOR_ACK_SECRET?: string | null;
  readonly ACKTOR_ACK_SIGNATURES?: readonly SignatureVersion[];
}

/** The fault of a key for one direction while the other direction is not authenticated, or null. */
export function oneWayFault(given: Named, needed: Named, config: Signing): string | null {
  if (!given.isSet || needed.isSet || config.ACKTOR_ACK_SECRET !== null) return null;
  if (config.ACKTOR_ACK_SIGNATURES === undefined || config.ACKTOR_ACK_SIGNATURES.includes("1")) return null;
  return `${given.name} is set, but messages are not signed: set ${needed.name} or ACKTOR_ACK_SECRET too. Example: ${needed.name}_FILE=/run/secrets/envelope.pem`;
}
