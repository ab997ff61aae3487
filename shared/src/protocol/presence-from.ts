/**
 * Presence of devices that know nothing of acktor (`ACKTOR_PRESENCE_FROM`): which messages tell that a device is there, and
 * which topics are its own.
 *
 *   devices/{id}/up, devices/+/up   uplinks: what a device sends itself
 *   emqx, mosquitto, aws            the broker's events: a client has connected; its client id is the device's id
 *   sparkplug                       NBIRTH, DBIRTH, and STATE of a host
 *   …=site/{id}/#                   the topics of the device, where they are others than the default
 *   emqx:gw-{id}                    client ids that have the form, and the id in them
 *
 * Invariants:
 *  PRESENCE_FROM-1. An id that is empty or contains a wildcard or a control character is no device's: its birth would reach
 *            the topics of others.
 */
import { filterFault, filterMatches } from "./topics.ts";

/** One source of presence. */
export interface PresenceSource {
  /** What to subscribe to. */
  readonly filters: readonly string[];
  /** True where topics are those of the users, which must not be acktor's own. */
  readonly isUplink: boolean;
  /** @returns the filter of the device's topics; null where the message is no birth */
  birthOf(topic: string, payload: Uint8Array): string | null;
}

const ID = "{id}";
const DEFAULT_TOPICS = "devices/{id}/#";
const MAX_ID = 512;
/** The broker's line for one client; a longer one is not read. */
const MAX_LINE = 2_048;
const CONNECTED = /: New client connected from \S+ as (.+) \(p\d/;

/** Reads the setting. @returns what is wrong with it as text: "has an item … that …" */
export function readPresenceFrom(text: string): readonly PresenceSource[] | string {
  const sources: PresenceSource[] = [];
  for (const item of text.split(",").map((part) => part.trim())) {
    const source = sourceOf(item);
    if (typeof source === "string") return `has an item ${JSON.stringify(item.slice(0, 80))} that ${source}`;
    sources.push(source);
  }
  return sources;
}

function sourceOf(item: string): PresenceSource | string {
  const [source = "", template = null, ...more] = item.split("=");
  if (more.length > 0) return "has more than one =";
  const fault = template === null ? null : templateFault(template);
  if (fault !== null) return fault;
  if (source === "sparkplug") return new Sparkplug(template);
  const event = /^(emqx|mosquitto|aws)(?::(.*))?$/.exec(source);
  if (event === null) return uplinkOf(source, template);
  const clientId = event[2] ?? ID;
  if (clientId.split(ID).length !== 2) return "has no {id} after the colon, as in emqx:gw-{id}";
  const ids = new ClientIds(clientId, template ?? DEFAULT_TOPICS);
  if (event[1] === "mosquitto") return new LogLines(ids);
  return event[1] === "emqx"
    ? new ConnectEvents("$SYS/brokers/+/clients/+/connected", 4, ids)
    : new ConnectEvents("$aws/events/presence/connected/+", 4, ids);
}

function templateFault(template: string): string | null {
  if (template.split(ID).length !== 2) return "has no {id} after the =, as in devices/{id}/up=devices/{id}/#";
  const fault = filterFault(template.replace(ID, "x"));
  return fault === null ? null : `has topics after the = whose filter ${fault}`;
}

function uplinkOf(source: string, template: string | null): PresenceSource | string {
  const levels = source.split("/");
  const named = levels.indexOf(ID);
  const at = named >= 0 ? named : levels.indexOf("+");
  if (at < 0) return "is neither emqx, mosquitto, aws, sparkplug nor a filter with {id}, as in devices/{id}/up";
  const filter = levels.map((level, depth) => (depth === at ? "+" : level)).join("/");
  const fault = filterFault(filter);
  if (fault !== null) return fault;
  return filter.startsWith("$")
    ? "starts with $, which brokers keep for themselves"
    : new Uplinks(filter, at, template);
}

/** PRESENCE_FROM-1 */
function isId(text: string): boolean {
  return text !== "" && text.length <= MAX_ID && !/[+#]/.test(text) && filterFault(text) === null;
}

class Uplinks implements PresenceSource {
  readonly isUplink = true;
  readonly filters: readonly string[];
  readonly #at: number;
  readonly #template: string | null;

  /** @param at the level of the id; without a template the topics are those below it */
  constructor(filter: string, at: number, template: string | null) {
    this.filters = [filter];
    this.#at = at;
    this.#template = template;
  }

  birthOf(topic: string): string | null {
    const levels = topic.split("/").slice(0, this.#at + 1);
    const id = levels[this.#at] ?? "";
    if (!isId(id)) return null;
    return this.#template?.replace(ID, () => id) ?? `${levels.join("/")}/#`;
  }
}

/** Client ids of one form, and the topics of the device of each. */
class ClientIds {
  readonly #before: string;
  readonly #after: string;
  readonly #template: string;

  constructor(form: string, template: string) {
    const [before = "", after = ""] = form.split(ID);
    this.#before = before;
    this.#after = after;
    this.#template = template;
  }

  birthOf(clientId: string): string | null {
    const [before, after] = [this.#before, this.#after];
    if (clientId.length < before.length + after.length || !clientId.startsWith(before) || !clientId.endsWith(after)) {
      return null;
    }
    const id = clientId.slice(before.length, clientId.length - after.length);
    return isId(id) ? this.#template.replace(ID, () => id) : null;
  }
}

/** Events whose topic has the client id as a level. */
class ConnectEvents implements PresenceSource {
  readonly isUplink = false;
  readonly filters: readonly string[];
  readonly #at: number;
  readonly #ids: ClientIds;

  constructor(filter: string, at: number, ids: ClientIds) {
    this.filters = [filter];
    this.#at = at;
    this.#ids = ids;
  }

  birthOf(topic: string): string | null {
    return this.#ids.birthOf(topic.split("/")[this.#at] ?? "");
  }
}

/** Mosquitto's log as messages: `log_dest topic`, `log_type notice`, `connection_messages true`. */
class LogLines implements PresenceSource {
  readonly isUplink = false;
  readonly filters = ["$SYS/broker/log/N"];
  readonly #ids: ClientIds;

  constructor(ids: ClientIds) {
    this.#ids = ids;
  }

  birthOf(_topic: string, payload: Uint8Array): string | null {
    if (payload.byteLength > MAX_LINE) return null;
    const clientId = CONNECTED.exec(Buffer.from(payload).toString())?.[1];
    return clientId === undefined ? null : this.#ids.birthOf(clientId);
  }
}

/** Sparkplug B: commands to a node or device go to NCMD and DCMD; a host application tells its state. */
class Sparkplug implements PresenceSource {
  readonly isUplink = false;
  readonly filters = ["spBv1.0/+/NBIRTH/+", "spBv1.0/+/DBIRTH/+/+", "spBv1.0/STATE/+"];
  readonly #template: string | null;

  constructor(template: string | null) {
    this.#template = template;
  }

  birthOf(topic: string, payload: Uint8Array): string | null {
    const [, group = "", kind, node = "", device] = topic.split("/");
    const id = group === "STATE" ? (kind ?? "") : (device ?? node);
    if (!isId(id) || (group === "STATE" && !isOnline(payload))) return null;
    if (this.#template !== null || group === "STATE") return (this.#template ?? DEFAULT_TOPICS).replace(ID, () => id);
    return device === undefined ? `spBv1.0/${group}/NCMD/${node}` : `spBv1.0/${group}/DCMD/${node}/${device}`;
  }
}

/** STATE is JSON with `online` since Sparkplug 3, and the word before. */
function isOnline(payload: Uint8Array): boolean {
  if (payload.byteLength > MAX_LINE) return false;
  const text = Buffer.from(payload).toString();
  return text === "ONLINE" || /"online"\s*:\s*true/.test(text);
}

/** The source of a message, if any. */
export function sourceFor(sources: readonly PresenceSource[], topic: string): PresenceSource | undefined {
  return sources.find(({ filters }) => filters.some((filter) => filterMatches(filter, topic)));
}
