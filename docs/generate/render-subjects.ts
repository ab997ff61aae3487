/** The part of docs/reference/asyncapi.json that is the bus: NATS subjects, who says what on them, and what is answered. */

import { receiptReply, receiptRequest } from "@acktor/shared/inspect/receipts";
import { DEFAULT_NATS_PREFIX } from "@acktor/shared/protocol/subjects";
import type { z } from "zod";
import * as schemas from "./subject-schemas.ts";

interface Subject {
  /** With the default prefix; `{…}` stands for one word, in `verb` for one or two. */
  readonly address: string;
  readonly about: string;
  readonly says: readonly [title: string, schema: z.ZodType];
  /** Of a request. */
  readonly answers?: readonly [title: string, schema: z.ZodType];
  /** One of those who listen takes each. */
  readonly queue?: string;
}

const PARAMETERS: Readonly<Record<string, string>> = {
  service: "publisher or acker.",
  instance: "Name of the instance, percent-encoded; `all` in a command: every one of the service.",
  actor: "Name of the role; `deliveries` for what happened to messages.",
  verb: "connect, disconnect, reset, breaker.open, breaker.close, pause, resume, drain, replay.",
};

export const SUBJECTS = {
  busAnnounce: {
    address: `${DEFAULT_NATS_PREFIX}.announce.{service}.{instance}`,
    about: "An instance as it stands: every 3 s, at the start, and with `stopping` at the end.",
    says: ["InstanceSnapshot", schemas.instanceSchema],
  },
  busInspect: {
    address: `${DEFAULT_NATS_PREFIX}.inspect.{service}.{instance}.{actor}`,
    about: "What an actor did; what happened to messages. Only while a viewer is connected.",
    says: ["InspectEvent", schemas.inspectSchema],
  },
  busWatch: {
    address: `${DEFAULT_NATS_PREFIX}.inspect.watch`,
    about: "A viewer is connected: send what happens.",
    says: ["WatchBeat", schemas.watchSchema],
  },
  busSnapshot: {
    address: `${DEFAULT_NATS_PREFIX}.snapshot.{service}`,
    about: "Every instance of the service answers as it stands.",
    says: ["SnapshotRequest", schemas.snapshotRequestSchema],
    answers: ["SnapshotReply", schemas.instanceSchema],
  },
  busCommand: {
    address: `${DEFAULT_NATS_PREFIX}.cmd.{service}.{instance}.{verb}`,
    about: "An operator's command.",
    says: ["CommandRequest", schemas.commandSchema],
    answers: ["CommandReply", schemas.commandReplySchema],
  },
  busReceipts: {
    address: `${DEFAULT_NATS_PREFIX}.receipts`,
    about: "What the inbox knows of a message; every acker whose database answers does.",
    says: ["ReceiptRequest", receiptRequest],
    answers: ["ReceiptReply", receiptReply],
  },
  busEnqueue: {
    address: `${DEFAULT_NATS_PREFIX}.enqueue`,
    about: "A message for the outbox; answered after the commit.",
    says: ["EnqueueRequest", schemas.enqueueSchema],
    answers: ["EnqueueReply", schemas.enqueueReplySchema],
    queue: "enqueue",
  },
  busWake: {
    address: `${DEFAULT_NATS_PREFIX}.wake`,
    about: "Rows were committed: publishers read the outbox immediately.",
    says: ["Wake", schemas.wakeSchema],
  },
  busAudit: {
    address: `${DEFAULT_NATS_PREFIX}.audit`,
    about: "A command that an acker was given, for a publisher to record.",
    says: ["AuditReport", schemas.auditSchema],
    answers: ["AuditReply", schemas.auditReplySchema],
    queue: "audit",
  },
} as const satisfies Readonly<Record<string, Subject>>;

type Rendered = Readonly<Record<string, object>>;

interface BusPart {
  readonly channels: Rendered;
  readonly operations: Rendered;
  readonly messages: Rendered;
}

/** @param message makes a component of a message */
export function busPart(message: (title: string, summary: string, schema: z.ZodType) => object): BusPart {
  const channels: Record<string, object> = {};
  const operations: Record<string, object> = {};
  const messages: Record<string, object> = {};
  for (const [name, subject] of Object.entries<Subject>(SUBJECTS)) {
    const { address, about, says, answers, queue } = subject;
    messages[name] = message(says[0], about, says[1]);
    channels[name] = { ...channel(address, about), messages: { [name]: component(name) } };
    const bindings = queue === undefined ? {} : { bindings: { nats: { queue, bindingVersion: "0.1.0" } } };
    const reply = answers === undefined ? {} : { reply: on(`${name}Reply`) };
    operations[`${name}Said`] = { action: "send", ...on(name), ...reply };
    operations[`${name}Heard`] = { action: "receive", ...on(name), ...reply, ...bindings };
    if (answers === undefined) continue;
    messages[`${name}Reply`] = message(answers[0], "To the reply subject of the request.", answers[1]);
    channels[`${name}Reply`] = {
      address: null,
      description: "The reply subject of the request.",
      servers: [{ $ref: "#/servers/bus" }],
      messages: { [`${name}Reply`]: component(`${name}Reply`) },
    };
  }
  return { channels, operations, messages };
}

function channel(address: string, description: string): object {
  const names = [...address.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  const parameters = Object.fromEntries(names.map((name) => [name, { description: PARAMETERS[name] ?? "" }]));
  const servers = [{ $ref: "#/servers/bus" }];
  return { address, description, servers, ...(names.length === 0 ? {} : { parameters }) };
}

function component(name: string): object {
  return { $ref: `#/components/messages/${name}` };
}

function on(name: string): object {
  return { channel: { $ref: `#/channels/${name}` }, messages: [{ $ref: `#/channels/${name}/messages/${name}` }] };
}
