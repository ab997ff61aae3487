/**
 * A TCP proxy in front of a broker that understands MQTT: on top of what `TcpProxy` does to bytes it can lose, double,
 * swap, alter, delay and withhold single packets, refuse clients by code, and make the broker forget sessions.
 *
 * Invariants:
 *  1. What no rule touches is passed on byte for byte; only a packet that is altered is written anew.
 *  2. A PUBLISH that is lost is answered as a broker with a full queue answers: PUBACK, and nothing more. On TCP no
 *     packet is lost otherwise; without the PUBACK the sender would see a dead connection (fate `drop`).
 *  3. It counts what it did: a fault that did not happen proves nothing.
 */
import { MqttConnection } from "./mqtt-connection.ts";
import type { PacketName } from "./mqtt-frames.ts";
import { type Direction, startTcpProxy, type TcpProxy, type TcpProxyOptions } from "./tcp-proxy.ts";

/**
 * What happens to a packet:
 *  - `pass`; `double`: sent twice (a PUBLISH); `swap`: sent after the next packet of its direction;
 *  - `lose`: a PUBLISH is answered and forgotten; `drop`: withheld without a word;
 *  - `corrupt`: one bit of a PUBLISH's payload is turned; a Buffer: that payload instead;
 *  - `{delayMs}`: comes later, and so may be overtaken.
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
  /** CONNECTs that were answered with a code instead of being passed on. */
  refused: number;
  /** CONNECTs that asked for their session and were made clean. */
  sessionsForgotten: number;
}

/** What the connections of a proxy look at, for each packet. */
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
  /** Decides on each packet from now on; null = everything passes. */
  setRule(rule: PacketRule | null): void;
  /** Holds back every PUBACK to clients while true; passes them on, in order, when it becomes false. */
  holdPubacks(hold: boolean): void;
  /** Sessions of the time before are gone: every CONNECT asks for a clean start. */
  forgetSessions(forget: boolean): void;
  /**
   * Answers each CONNECT with this code and hangs up; null = passes them on. Codes of MQTT 5 (0x80 and above) are given
   * as the nearest one to a client of 3.1.1.
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
