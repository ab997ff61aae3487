/** docs/reference/asyncapi.json: topics of MQTT and subjects of NATS, who sends on them and who listens (AsyncAPI 3). */
import { DEFAULT_ACK_PREFIX, DEFAULT_PRESENCE_PREFIX } from "@acktor/shared/protocol/topics";
import { z } from "zod";
import { busPart } from "./render-subjects.ts";
import { sealedSchema } from "./subject-schemas.ts";
import { ackSchema, envelopeSchema, presenceSchema } from "./topic-schemas.ts";
import type { GeneratedFile } from "./write-or-check.ts";

/** Addresses with the default prefixes; `{…}` stands for one level, in `message` for a whole topic. */
export const CHANNELS = {
  message: "{topic}",
  ack: `${DEFAULT_ACK_PREFIX}/{message_id}`,
  presence: `${DEFAULT_PRESENCE_PREFIX}/{instance}`,
} as const;

export function asyncApiDocument(): object {
  const bus = busPart(message);
  return {
    asyncapi: "3.0.0",
    info: {
      title: "acktor on MQTT and NATS",
      version: "1.0.0",
      license: { name: "MIT" },
      description:
        "An outbox that proves delivery: a message is published until an acker answers on its ack topic. NATS is the control plane, and may be absent. Where ACKTOR_NATS_SECRET or ACKTOR_API_TOKEN is set, each message on NATS but wake is the body of a SealedText.",
    },
    defaultContentType: "application/json",
    servers: {
      broker: { host: "127.0.0.1:1883", protocol: "mqtt", protocolVersion: "5.0" },
      bus: { host: "127.0.0.1:4222", protocol: "nats" },
    },
    channels: {
      message: channel("message", "Messages, on the topic that the caller gave.", {
        topic: "A topic name: no wildcard, no leading $, not below the two prefixes.",
      }),
      ack: channel("ack", "The answer that ends a message. Never retained.", { message_id: "Id of the message." }),
      presence: channel("presence", "Who is there to answer. Retained; empty clears it, a will says lost.", {
        instance: "Name of the acker's instance.",
      }),
      ...bus.channels,
    },
    operations: {
      publishMessage: operation("send", "message", { qos: 1, retain: false }),
      processMessage: operation("receive", "message", { qos: 1 }),
      answerMessage: operation("send", "ack", { qos: 1, retain: false }),
      settleMessage: operation("receive", "ack", { qos: 1 }),
      announceAcker: operation("send", "presence", { qos: 1, retain: true }),
      watchAckers: operation("receive", "presence", { qos: 1 }),
      ...bus.operations,
    },
    components: {
      messages: {
        message: message("Envelope", "A message as published.", envelopeSchema),
        ack: message("Ack", '`{}` and `{"client_id":"x"}` mean processed.', ackSchema),
        presence: message("Presence", "An acker's birth, or its will.", presenceSchema),
        ...bus.messages,
      },
      schemas: { SealedText: jsonSchema(sealedSchema) },
    },
  };
}

export function asyncApiReference(): GeneratedFile {
  return { path: "docs/reference/asyncapi.json", text: `${JSON.stringify(asyncApiDocument(), null, 2)}\n` };
}

type Channel = keyof typeof CHANNELS;

function channel(name: Channel, description: string, parameters: Readonly<Record<string, string>>): object {
  return {
    address: CHANNELS[name],
    description,
    servers: [{ $ref: "#/servers/broker" }],
    parameters: Object.fromEntries(Object.entries(parameters).map(([key, text]) => [key, { description: text }])),
    messages: { [name]: { $ref: `#/components/messages/${name}` } },
  };
}

function operation(action: "send" | "receive", name: Channel, mqtt: object): object {
  return {
    action,
    channel: { $ref: `#/channels/${name}` },
    messages: [{ $ref: `#/channels/${name}/messages/${name}` }],
    bindings: { mqtt: { ...mqtt, bindingVersion: "0.2.0" } },
  };
}

function message(title: string, summary: string, schema: z.ZodType): object {
  return { name: title, title, summary, contentType: "application/json", payload: jsonSchema(schema) };
}

function jsonSchema(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: "draft-7" });
  return rest;
}
