/**
 * A TCP proxy in front of a broker that understands MQTT. In addition to the faults of `TcpProxy` it can lose, double, swap,
 * alter, delay and withhold single packets, refuse clients by code, and make the broker forget sessions.
 *
 * Invariants:
 *  MQTT_PROXY-1. A packet that no rule changes is passed on byte for byte.
 *  MQTT_PROXY-2. A lost PUBLISH is answered with PUBACK, as a broker with a full queue does. Without the PUBACK the sender
 *                would see a dead connection (fate `drop`).
 *  MQTT_PROXY-3. Each fault is counted when it happens.
 */
import { MqttConnection } from "./mqtt-connection.ts";
import type { PacketName } from "./mqtt-frames.ts";
import { type Direction, startTcpProxy, type TcpProxy, type TcpProxyOptions } from "./tcp-proxy.ts";

/**
 * What happens to a packet:
 *  - `pass`; `double`: sent twice (a PUBLISH); `swap`: sent after the next packet of its direction;
 *  - `lose`: a PUBLISH is answered and dropped; `drop`: a packet is withheld without an answer;
 *  - `corrupt`: one bit of a PUBLISH's payload is flipped; a Buffer: replaces the payload;
 *  - `{delayMs}`: sent later, so other packets may overtake it.
 */
export type Fate = "pass" | "lose" | "drop" | "double" | "swap" | "corrupt" | Buffer | { readonly delayMs: number };

export interface SeenPacket {
  readonly packet: PacketName;
  readonly direction: Direction;
  /** Of a PUBLISH; empty for other packets. */
  readonly topic: string;
  readonly payload: Buffer;
}

export type PacketRule = (seen: SeenPacket) => Fate;

export interface MqttCounts {
  passed: number;
  lost: number;
  dropped: number;
  doubled: number;
  swapped: number;
  altered: number;
  delayed: number;
  /** PUBACKs to clients that were held back. */
  held: number;
  /** CONNECTs that the proxy answered with a code. */
  refused: number;
  /** CONNECTs with a session that were changed to a clean start. */
  sessionsForgotten: number;
}

/** The rules that the connections of a proxy apply to each packet. */
export interface MqttRules {
  rule: PacketRule | null;
  holdingPubacks: boolean;
  forgetting: boolean;
  refusal: number | null;
  readonly counts: MqttCounts;
  readonly clientIds: Set<string>;
}

export interface MqttProxy extends Omit<TcpProxy, "counts"> {
  /** mqtt://127.0.0.1:port */
  readonly url: string;
  readonly counts: Readonly<MqttCounts>;
  readonly tcp: TcpProxy["counts"];
  /** Sets the rule that decides on each packet; null = everything passes. */
  setRule(rule: PacketRule | null): void;
  /** With true every PUBACK to clients is held back; with false the held ones are sent, in order. */
  holdPubacks(hold: boolean): void;
  /** With true every CONNECT is changed to a clean start, so the broker forgets the session. */
  forgetSessions(forget: boolean): void;
  /**
   * Answers each CONNECT with this code and closes the connection; null = passes them on. A client of MQTT 3.1.1 gets the
   * nearest code for a code of MQTT 5 (0x80 and above).
   */
  refuseConnects(code: number | null): void;
  /** Ids of the clients that connected so far. */
  clientIds(): readonly string[];
}

/** Starts a proxy to a broker of this machine. */
export async function startMqttProxy(options: Omit<TcpProxyOptions, "inspect">): Promise<MqttProxy> {
  const rules: MqttRules = {
    rule: null,
    holdingPubacks: false,
    forgetting: false,
    refusal: null,
    counts: noCounts(),
    clientIds: new Set(),
  };
  const connections = new Set<MqttConnection>();
  const { counts, ...proxy } = await startTcpProxy({
    ...options,
    inspect: (flow) => {
      const connection = new MqttConnection(flow, rules, () => connections.delete(connection));
      connections.add(connection);
      return connection;
    },
  });
  return {
    ...proxy,
    tcp: counts,
    url: `mqtt://127.0.0.1:${proxy.port}`,
    counts: rules.counts,
    setRule(rule) {
      rules.rule = rule;
    },
    holdPubacks(hold) {
      rules.holdingPubacks = hold;
      if (!hold) for (const connection of connections) connection.releaseHeld();
    },
    forgetSessions(forget) {
      rules.forgetting = forget;
    },
    refuseConnects(code) {
      rules.refusal = code;
    },
    clientIds: () => [...rules.clientIds],
  };
}

function noCounts(): MqttCounts {
  return {
    passed: 0,
    lost: 0,
    dropped: 0,
    doubled: 0,
    swapped: 0,
    altered: 0,
    delayed: 0,
    held: 0,
    refused: 0,
    sessionsForgotten: 0,
  };
}
