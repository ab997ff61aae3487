/**
 * Which addresses a webhook may use: those of the public internet, and those that are listed. Pure.
 *
 * Invariants:
 *  ADDRESS-1. Only addresses that are known to be public are allowed: no other address family, no zone, no range that was
 *             never assigned.
 *  ADDRESS-2. An IPv4 address inside an IPv6 one (mapped, NAT64) is judged as the IPv4 address; the forms that tunnel one
 *             (6to4, Teredo) are never allowed.
 *
 * Ranges: the IANA special-purpose address registries (RFC 6890 and after).
 */
import { BlockList, isIP } from "node:net";

const SPECIAL_V4 = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const;

/** Inside 2000::/3, the only assigned range. ADDRESS-2: with 6to4 and Teredo. */
const SPECIAL_V6 = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const;

const special = new BlockList();
for (const [net, bits] of SPECIAL_V4) special.addSubnet(net, bits, "ipv4");
for (const [net, bits] of SPECIAL_V6) special.addSubnet(net, bits, "ipv6");
const assigned = new BlockList();
assigned.addSubnet("2000::", 3, "ipv6");

/** Names of hosts, and addresses and ranges (as 172.16.0.0/12), that are allowed though they are not public. */
export interface AllowedHosts {
  readonly names: ReadonlySet<string>;
  readonly ranges: BlockList;
}

const NAME = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/;

/** The fault of one item of the list, or null. */
export function hostFault(item: string): string | null {
  const [address = "", bits] = item.split("/");
  const family = isIP(address);
  if (family === 0)
    return bits === undefined && NAME.test(item) ? null : "is neither a host name, an address nor a range";
  if (bits === undefined) return null;
  const most = family === 4 ? 32 : 128;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= most ? null : `has a length that is not 0 to ${most}`;
}

/** Reads a list without faults. */
export function readHosts(items: readonly string[]): AllowedHosts {
  const names = new Set<string>();
  const ranges = new BlockList();
  for (const item of items) {
    const [address = "", bits] = item.split("/");
    const family = isIP(address);
    if (family === 0) names.add(plainName(item));
    else ranges.addSubnet(address, Number(bits ?? (family === 4 ? 32 : 128)), family === 4 ? "ipv4" : "ipv6");
  }
  return { names, ranges };
}

/** The host of a URL as names and addresses are written: lower case, without brackets and a last dot. */
export function plainName(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
}

/** True when a list has the host: its name, or its address. */
export function isListed(host: string, { names, ranges }: AllowedHosts): boolean {
  const family = isIP(host);
  return family === 0 ? names.has(host) : ranges.check(host, family === 4 ? "ipv4" : "ipv6");
}

/** True when a request may use this address. */
export function isAllowedAddress(address: string, { ranges }: AllowedHosts): boolean {
  // ADDRESS-1
  if (address.includes("%")) return false;
  const family = isIP(address);
  if (family === 0) return false;
  if (ranges.check(address, family === 4 ? "ipv4" : "ipv6")) return true;
  if (family === 4) return !special.check(address, "ipv4");
  // ADDRESS-2
  const inner = innerIpv4(address);
  if (inner !== null) return ranges.check(inner, "ipv4") || !special.check(inner, "ipv4");
  return assigned.check(address, "ipv6") && !special.check(address, "ipv6");
}

/** The IPv4 address in ::ffff:0:0/96 and 64:ff9b::/96, or null. */
function innerIpv4(address: string): string | null {
  // The URL parser writes every spelling of an IPv6 address in one way.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const match = /^(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (match === null) return null;
  const [high, low] = [Number.parseInt(match[1] ?? "", 16), Number.parseInt(match[2] ?? "", 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}
