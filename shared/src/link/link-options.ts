/** The options of `createLink` and their defaults. */
import type { AnyActor } from "xstate";
import { type BrokerAddress, parseBrokerUrl } from "../mqtt/broker-address.ts";
import type { TlsOptions, Will } from "../mqtt/transport.ts";
import { type Clock, type Random, SYSTEM_CLOCK, SYSTEM_RANDOM } from "../runtime/clock.ts";
import { type BackoffPolicy, DEFAULT_BACKOFF } from "./backoff.ts";
import { type CredentialSource, FixedCredentials } from "./credentials.ts";
import {
  type BreakerPolicy,
  DEFAULT_BREAKER,
  DEFAULT_POLICY,
  type LinkPolicy,
  type VersionPolicy,
} from "./link-policy.ts";

export interface LinkOptions {
  /** mqtt://, mqtts://, ws:// or wss://; credentials in it are used, and never shown. */
  readonly url: string;
  readonly username?: string | null;
  readonly password?: string | null;
  /** Asked at each connect, instead of `username`, `password` and `tls`. */
  readonly credentials?: CredentialSource;
  /** First part of the client id. Default `acktor`. */
  readonly name?: string;
  /** Second part of the client id. */
  readonly instance?: string;
  /** Default `<name>-<instance>-<8 hex digits>`: two links of one id would take each other's session over forever. */
  readonly clientId?: string;
  /** Default `auto`: 5 where the broker speaks it, else 3.1.1. */
  readonly version?: VersionPolicy;
  /** Seconds. Default 5; a dead connection is found after 1.5 × this time. */
  readonly keepaliveSeconds?: number;
  /** Milliseconds to the open socket, from there to CONNACK, and to each SUBACK. A floor, as the next two. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds from a PUBLISH to its PUBACK (PUBCOMP at QoS 2): a floor, longer where the round trip is. Default 2,000. */
  readonly publishDeadlineMs?: number;
  /** Milliseconds without a byte from the broker, while a PUBLISH waits, that end the connection. Default: as above. */
  readonly silenceMs?: number;
  /** Most publishes a second, QoS 0 included. Default: as many as the broker answers. */
  readonly publishRate?: number | null;
  /** Most publishes without their PUBACK; the broker's Receive Maximum where that is less. Default 2,000. */
  readonly sendQuota?: number;
  /** Use `$share` on MQTT 3.1.1, where no broker announces whether it supports it. Default false. */
  readonly sharedSubscriptionsOn311?: boolean;
  /** Default: kind `full`, base 500 ms, cap 8,000 ms (a fleet: 30,000), floor 100 ms. */
  readonly backoff?: Partial<BackoffPolicy>;
  /** Default: see `DEFAULT_BREAKER`. */
  readonly breaker?: Partial<BreakerPolicy>;
  /** Milliseconds after which a connection counts as held and the backoff starts from 0. Default 20,000. */
  readonly heldMs?: number;
  /** Milliseconds, from and to, between two probes in ERROR. Default 30,000 to 60,000. */
  readonly errorWaitMs?: readonly [from: number, to: number];
  /** The broker publishes it when this client vanishes. A function is called at each connection. Default none. */
  readonly will?: Will | (() => Will);
  /** For mqtts and wss. */
  readonly tls?: TlsOptions;
  /** Default: the process emits a warning for a listener that throws. */
  readonly observer?: LinkObserver;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** The open socket, and CONNACK with its doubled patience. */
const CONNECT_STEPS = 5;
/** The longest that the learned deadlines of CONNACK and SUBACK may be. */
const SLOWEST_STEPS_MS = 60_000;

export interface LinkObserver {
  /** A listener or an `onOutcome` threw. */
  listenerFailed?(error: unknown, event: string): void;
  /** The machine's actor has started. For observers only: commands go through the link. */
  machineStarted?(actor: AnyActor): void;
}

export interface ResolvedLinkOptions {
  readonly address: BrokerAddress;
  readonly credentials: CredentialSource;
  readonly clientId: string;
  readonly keepaliveSeconds: number;
  readonly connectTimeoutMs: number;
  readonly publishDeadlineMs: number;
  readonly silenceMs: number;
  readonly sendQuota: number;
  readonly publishRate: number | null;
  readonly sharedSubscriptionsOn311: boolean;
  readonly will: Will | (() => Will) | null;
  readonly policy: LinkPolicy;
  readonly observer: Required<LinkObserver>;
  readonly clock: Clock;
  readonly random: Random;
}

/** Throws on an invalid URL. */
export function resolveLinkOptions(options: LinkOptions): ResolvedLinkOptions {
  const address = parseBrokerUrl(options.url);
  const random = options.random ?? SYSTEM_RANDOM;
  const connectTimeoutMs = options.connectTimeoutMs ?? DEFAULT_POLICY.connectTimeoutMs;
  return {
    address,
    credentials: options.credentials ?? fixed(options),
    clientId: options.clientId ?? newClientId(options.name ?? "acktor", options.instance, random),
    keepaliveSeconds: options.keepaliveSeconds ?? 5,
    connectTimeoutMs,
    publishDeadlineMs: options.publishDeadlineMs ?? 2_000,
    silenceMs: options.silenceMs ?? options.publishDeadlineMs ?? 2_000,
    sendQuota: options.sendQuota ?? 2_000,
    publishRate: options.publishRate ?? null,
    sharedSubscriptionsOn311: options.sharedSubscriptionsOn311 ?? false,
    will: options.will ?? null,
    policy: {
      version: options.version ?? DEFAULT_POLICY.version,
      backoff: { ...DEFAULT_BACKOFF, ...options.backoff },
      breaker: { ...DEFAULT_BREAKER, ...options.breaker },
      connectTimeoutMs: connectTimeoutMs * CONNECT_STEPS + SLOWEST_STEPS_MS,
      heldMs: options.heldMs ?? DEFAULT_POLICY.heldMs,
      errorWaitMs: options.errorWaitMs ?? DEFAULT_POLICY.errorWaitMs,
    },
    observer: observerOf(options.observer ?? {}),
    clock: options.clock ?? SYSTEM_CLOCK,
    random,
  };
}

function fixed({ username = null, password = null, tls = {} }: LinkOptions): CredentialSource {
  return new FixedCredentials({ username, password, auth: null, tls });
}

function observerOf(given: LinkObserver): Required<LinkObserver> {
  return {
    listenerFailed(error, event) {
      if (given.listenerFailed !== undefined) given.listenerFailed(error, event);
      else
        process.emitWarning(`a listener of ${event} failed: ${error instanceof Error ? error.message : String(error)}`);
    },
    machineStarted(actor) {
      given.machineStarted?.(actor);
    },
  };
}

function newClientId(name: string, instance: string | undefined, random: Random): string {
  const suffix = Math.floor(random.next() * 2 ** 32)
    .toString(16)
    .padStart(8, "0");
  return [name, instance, suffix].filter((part) => part !== undefined && part !== "").join("-");
}
