/** The connection of one client through the MQTT proxy: the rules decide on each of its frames. */
import {
  FrameReader,
  type IConnectPacket,
  type IPublishPacket,
  type Packet,
  packetName,
  parseFrame,
  writeFrame,
} from "./mqtt-frames.ts";
import type { Fate, MqttRules } from "./mqtt-proxy.ts";
import type { Direction, Flow, Inspector } from "./tcp-proxy.ts";

/** At most this many frames are held or delayed; the others pass. */
const MOST_KEPT = 100_000;
/** A swapped packet is sent after this time when no other packet follows. */
const SWAP_LIMIT_MS = 200;
/** CONNACK codes of MQTT 5 as codes of 3.1.1 (3.1.1, table 3.1); 3 = server unavailable. */
const OLD_CODES: Readonly<Record<number, number>> = { 132: 1, 133: 2, 134: 4, 135: 5, 136: 3, 137: 3 };
const SERVER_UNAVAILABLE = 3;

const EMPTY = Buffer.alloc(0);

export class MqttConnection implements Inspector {
  readonly #flow: Flow;
  readonly #rules: MqttRules;
  readonly #onEnd: () => void;
  readonly #readers = { to_server: new FrameReader(), to_client: new FrameReader() };
  readonly #heldPubacks: Buffer[] = [];
  readonly #swapped: Record<Direction, Buffer | null> = { to_server: null, to_client: null };
  readonly #timers = new Set<NodeJS.Timeout>();
  #protocolVersion = 4;
  #over = false;

  constructor(flow: Flow, rules: MqttRules, onEnd: () => void) {
    this.#flow = flow;
    this.#rules = rules;
    this.#onEnd = onEnd;
  }

  onData(direction: Direction, chunk: Buffer): void {
    const frames = this.#readers[direction].read(chunk);
    if (frames === null) {
      this.#flow.end();
      return;
    }
    for (const frame of frames) if (!this.#over) this.#take(direction, frame);
  }

  onEnd(): void {
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#onEnd();
  }

  releaseHeld(): void {
    for (const frame of this.#heldPubacks.splice(0)) this.#flow.send("to_client", frame);
  }

  #take(direction: Direction, frame: Buffer): void {
    const name = packetName(frame);
    if (name === "connect") {
      this.#connect(frame);
      return;
    }
    const { rule, holdingPubacks, counts } = this.#rules;
    if (name === "puback" && direction === "to_client" && holdingPubacks && this.#heldPubacks.length < MOST_KEPT) {
      counts.held++;
      this.#heldPubacks.push(Buffer.from(frame));
      return;
    }
    if (rule === null || name === null) {
      this.#send(direction, frame); // MQTT_PROXY-1
      return;
    }
    const packet = name === "publish" ? parseFrame(frame, this.#protocolVersion) : null;
    const publish = packet?.cmd === "publish" ? packet : null;
    const payload = publish === null ? EMPTY : Buffer.from(publish.payload);
    const fate = rule({ packet: name, direction, topic: publish?.topic ?? "", payload });
    this.#apply(fate, direction, frame, publish, payload);
  }

  #connect(frame: Buffer): void {
    const { refusal, forgetting, counts, clientIds } = this.#rules;
    const packet = parseFrame(frame, 4);
    if (packet?.cmd !== "connect") {
      this.#flow.end();
      return;
    }
    this.#protocolVersion = packet.protocolVersion ?? 4;
    clientIds.add(packet.clientId);
    if (refusal !== null) {
      counts.refused++;
      this.#flow.send("to_client", this.#refusal(refusal));
      this.#later(10, () => this.#flow.end());
      return;
    }
    if (!forgetting) {
      this.#send("to_server", frame);
      return;
    }
    if (packet.clean !== true) counts.sessionsForgotten++;
    const clean: IConnectPacket = { ...packet, clean: true };
    this.#send("to_server", this.#write(clean));
  }

  #refusal(code: number): Buffer {
    if (this.#protocolVersion === 5) return this.#write({ cmd: "connack", reasonCode: code, sessionPresent: false });
    const returnCode = OLD_CODES[code] ?? (code < 0x80 ? code : SERVER_UNAVAILABLE);
    return this.#write({ cmd: "connack", returnCode, sessionPresent: false });
  }

  #apply(fate: Fate, direction: Direction, frame: Buffer, publish: IPublishPacket | null, payload: Buffer): void {
    const { counts } = this.#rules;
    if (fate === "drop") {
      counts.dropped++;
      return;
    }
    if (fate === "swap" && this.#swapped[direction] === null) {
      this.#swap(direction, frame);
      return;
    }
    if (typeof fate === "object" && "delayMs" in fate) {
      counts.delayed++;
      this.#delay(direction, Buffer.from(frame), fate.delayMs);
      return;
    }
    // The other fates apply only to messages.
    if (publish === null || fate === "pass" || fate === "swap") {
      counts.passed++;
      this.#send(direction, frame); // MQTT_PROXY-1
      return;
    }
    this.#applyToMessage(fate, direction, frame, publish, payload);
  }

  #applyToMessage(
    fate: "lose" | "double" | "corrupt" | Buffer,
    direction: Direction,
    frame: Buffer,
    publish: IPublishPacket,
    payload: Buffer,
  ): void {
    const { counts } = this.#rules;
    if (fate === "lose") {
      counts.lost++; // MQTT_PROXY-3
      const back = direction === "to_server" ? "to_client" : "to_server";
      // MQTT_PROXY-2
      if (publish.qos === 1) this.#flow.send(back, this.#write({ cmd: "puback", messageId: publish.messageId ?? 0 }));
      return;
    }
    if (fate === "double") {
      counts.passed++;
      counts.doubled++;
      this.#send(direction, frame);
      // The copy has QoS 0 and needs no packet id, so neither side gets a PUBACK that it does not know.
      const { messageId: _, ...copy } = publish;
      this.#send(direction, this.#write({ ...copy, qos: 0, dup: false }));
      return;
    }
    counts.altered++;
    this.#send(direction, this.#write({ ...publish, payload: fate === "corrupt" ? flipOneBit(payload) : fate }));
  }

  /** Keeps the frame until the next frame of its direction is sent. */
  #swap(direction: Direction, frame: Buffer): void {
    this.#rules.counts.swapped++;
    const kept = Buffer.from(frame);
    this.#swapped[direction] = kept;
    this.#later(SWAP_LIMIT_MS, () => {
      if (this.#swapped[direction] === kept) this.#sendSwapped(direction);
    });
  }

  #delay(direction: Direction, frame: Buffer, delayMs: number): void {
    if (this.#timers.size >= MOST_KEPT) {
      this.#send(direction, frame);
      return;
    }
    this.#later(delayMs, () => this.#send(direction, frame));
  }

  #later(delayMs: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#over) work();
    }, delayMs);
    this.#timers.add(timer);
  }

  #send(direction: Direction, frame: Buffer): void {
    this.#flow.send(direction, frame);
    this.#sendSwapped(direction);
  }

  #sendSwapped(direction: Direction): void {
    const kept = this.#swapped[direction];
    this.#swapped[direction] = null;
    if (kept !== null) this.#flow.send(direction, kept);
  }

  #write(packet: Packet): Buffer {
    return writeFrame(packet, this.#protocolVersion);
  }
}

/** Flips one bit in the middle of the payload, where the content is. */
function flipOneBit(payload: Buffer): Buffer {
  const flipped = Buffer.from(payload);
  const at = flipped.length >> 1;
  flipped[at] = (flipped[at] ?? 0) ^ 1;
  return flipped;
}
