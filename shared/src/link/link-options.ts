/** What `createLink` takes, and what is taken where nothing is given. */
import type { AnyActor, InspectionEvent, Observer } from "xstate";
import { type BrokerAddress, parseBrokerUrl } from "../mqtt/broker-address.ts";
import type { TlsOptions, Will } from "../mqtt/transport-options.ts";
import { type BackoffPolicy, DEFAULT_BACKOFF } from "./backoff.ts";
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
  /** What speaks: the first part of the client id. Default `acktor`. */
  readonly name?: string;
  /** Which one of its kind: the second part of the client id. */
  readonly instance?: string;
  /** Default `<name>-<instance>-<8 hex digits>`: the same id twice would take itself over for ever. */
  readonly clientId?: string;
  /** Default `auto`: 5 where the broker speaks it, 3.1.1 where not. */
  readonly version?: VersionPolicy;
  /** Seconds. Default 5; a dead connection shows after one and a half of it. */
  readonly keepaliveSeconds?: number;
  /** Milliseconds from opening the socket to the last SUBACK. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds from a PUBLISH to its PUBACK (PUBCOMP at QoS 2). Default 2,000. */
  readonly publishDeadlineMs?: number;
  /** Milliseconds without a byte from the broker, while a PUBLISH waits, that end the connection. Default: as above. */
  readonly silenceMs?: number;
  /** Most publishes without their PUBACK; the broker's Receive Maximum where that is less. Default 2,000. */
  readonly sendQuota?: number;
  /** Use `$share` on MQTT 3.1.1, where no broker says whether it has it. Default false. */
  readonly sharedSubscriptionsOn311?: boolean;
  /** Default: kind `full`, base 500 ms, cap 8,000 ms (a fleet: 30,000), floor 100 ms. */
  readonly backoff?: Partial<BackoffPolicy>;
  /** Default: see `DEFAULT_BREAKER`. */
  readonly breaker?: Partial<BreakerPolicy>;
  /** Milliseconds after which a connection counts as held and the backoff starts from 0. Default 20,000. */
  readonly heldMs?: number;
  /** Milliseconds, from and to, between two probes in ERROR. Default 30,000 to 60,000. */
  readonly errorWaitMs?: readonly [from: number, to: number];
  /** What the broker says when we vanish. A function is asked at each connection. Default none. */
  readonly will?: Will | (() => Will);
  /** For mqtts and wss. */
  readonly tls?: TlsOptions;
  /** Takes what a listener, or an `onOutcome`, threw. Default: a warning of the process. */
  readonly onListenerError?: (error: unknown, event: string) => void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  /** Sees what the machine does, as XState's `inspect`. */
  readonly inspect?: Observer<InspectionEvent> | ((event: InspectionEvent) => void);
  /** Takes the machine's actor once it has started, for those who watch it now and then; commands go through the link. */
  readonly onActor?: (actor: AnyActor) => void;
}

export interface ResolvedLinkOptions {
  readonly address: BrokerAddress;
  readonly username: string | null;
  readonly password: string | null;
  readonly clientId: string;
  readonly keepaliveSeconds: number;
  readonly publishDeadlineMs: number;
  readonly silenceMs: number;
  readonly sendQuota: number;
  readonly sharedSubscriptionsOn311: boolean;
  readonly will: () => Will | null;
  readonly tls: TlsOptions;
  readonly policy: LinkPolicy;
  readonly onListenerError: (error: unknown, event: string) => void;
  readonly now: () => number;
  readonly random: () => number;
}

/** Throws on a URL that is none. */
export function resolveLinkOptions(options: LinkOptions): ResolvedLinkOptions {
  const address = parseBrokerUrl(options.url);
  const random = options.random ?? Math.random;
  const { will } = options;
  return {
    address,
    username: options.username ?? address.username,
    password: options.password ?? address.password,
    clientId: options.clientId ?? newClientId(options.name ?? "acktor", options.instance, random),
    keepaliveSeconds: options.keepaliveSeconds ?? 5,
    publishDeadlineMs: options.publishDeadlineMs ?? 2_000,
    silenceMs: options.silenceMs ?? options.publishDeadlineMs ?? 2_000,
    sendQuota: options.sendQuota ?? 2_000,
    sharedSubscriptionsOn311: options.sharedSubscriptionsOn311 ?? false,
    will: typeof will === "function" ? will : () => will ?? null,
    tls: options.tls ?? {},
    policy: {
      version: options.version ?? DEFAULT_POLICY.version,
      backoff: { ...DEFAULT_BACKOFF, ...options.backoff },
      breaker: { ...DEFAULT_BREAKER, ...options.breaker },
      connectTimeoutMs: options.connectTimeoutMs ?? DEFAULT_POLICY.connectTimeoutMs,
      heldMs: options.heldMs ?? DEFAULT_POLICY.heldMs,
      errorWaitMs: options.errorWaitMs ?? DEFAULT_POLICY.errorWaitMs,
    },
    onListenerError: options.onListenerError ?? warn,
    now: options.now ?? (() => performance.now()),
    random,
  };
}

function newClientId(name: string, instance: string | undefined, random: () => number): string {
  const suffix = Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, "0");
  return [name, instance, suffix].filter((part) => part !== undefined && part !== "").join("-");
}

function warn(error: unknown, event: string): void {
  process.emitWarning(`a listener of ${event} failed: ${error instanceof Error ? error.message : String(error)}`);
}
