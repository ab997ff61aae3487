/**
 * What authentication costs: end-to-end runs without a key, with a shared secret (HMAC), and with Ed25519 keys of both ends,
 * alternately, each on a database of its own.
 */
import { generateKeyPairSync } from "node:crypto";
import { median } from "./distribution.ts";
import { type Bench, type EndToEndResult, measureEndToEnd } from "./end-to-end.ts";

const KINDS = ["none", "hmac", "ed25519"] as const;
type Kind = (typeof KINDS)[number];

export type KeyRound = Readonly<Record<Kind, EndToEndResult>>;

/** CPU µs a message that HMAC may cost, of publisher, acker, PostgreSQL and broker together. */
const MOST_HMAC_US = 4;

export async function measureKeys(bench: Bench): Promise<KeyRound[]> {
  const env = environments();
  const rounds: KeyRound[] = [];
  for (let number = 1; number <= bench.options.rounds; number++) {
    const round: Partial<Record<Kind, EndToEndResult>> = {};
    for (const kind of orderOf(number)) {
      round[kind] = await measureEndToEnd({ ...bench, env: env[kind] }, `bench_keys_${kind}_${number}`);
    }
    rounds.push(round as KeyRound);
  }
  return rounds;
}

/** Settings of both services: each reads what is its own. */
function environments(): Record<Kind, Record<string, string>> {
  const [ackers, publishers] = [pemPair(), pemPair()];
  return {
    none: {},
    hmac: { ACKTOR_ACK_SECRET: "the secret of the benchmark" },
    ed25519: {
      ACKTOR_ACK_PUBLIC_KEYS: ackers.publicKey,
      ACKTOR_ACK_PRIVATE_KEY: ackers.privateKey,
      ACKTOR_ENVELOPE_PUBLIC_KEYS: publishers.publicKey,
      ACKTOR_ENVELOPE_PRIVATE_KEY: publishers.privateKey,
    },
  };
}

function pemPair(): { readonly publicKey: string; readonly privateKey: string } {
  return generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
}

/** Who is first changes from round to round. */
function orderOf(round: number): Kind[] {
  const turn = round % KINDS.length;
  return [...KINDS.slice(turn), ...KINDS.slice(0, turn)];
}

export interface KeyReport {
  readonly text: string;
  readonly faults: readonly string[];
  readonly met: boolean;
}

export function describeKeys(rounds: readonly KeyRound[]): KeyReport {
  const lines = rounds.flatMap((round, i) => KINDS.map((kind) => `${i + 1}  ${kind.padEnd(8)} ${line(round[kind])}`));
  const hmac = extraUs(rounds, "hmac");
  const met = hmac <= MOST_HMAC_US;
  lines.push(
    `HMAC: ${signed(hmac)} CPU µs a message (wanted ≤ ${MOST_HMAC_US}: ${met ? "yes" : "NO"}), throughput × ${ratio(rounds, "hmac")}`,
    `Ed25519: ${signed(extraUs(rounds, "ed25519"))} CPU µs a message, throughput × ${ratio(rounds, "ed25519")}`,
  );
  const faults = rounds.flatMap((round) => KINDS.map((kind) => round[kind].fault)).filter((fault) => fault !== null);
  return { text: [...lines, ...faults].join("\n"), faults, met };
}

/** Median over the rounds of what a message cost more than without a key, the caller left out; NaN where it is not told. */
function extraUs(rounds: readonly KeyRound[], kind: Kind): number {
  return median(rounds.map((round) => totalUs(round[kind]) - totalUs(round.none)));
}

function totalUs({ cpu }: EndToEndResult): number {
  if (cpu === null) return Number.NaN;
  const { caller: _, ...pair } = cpu.usPerMessage;
  return Object.values(pair).reduce((sum, us) => sum + us, 0);
}

function ratio(rounds: readonly KeyRound[], kind: Kind): string {
  return median(rounds.map((round) => round[kind].messagesPerSecond / round.none.messagesPerSecond)).toFixed(3);
}

function signed(us: number): string {
  return `${us < 0 ? "" : "+"}${us.toFixed(1)}`;
}

function line({ messagesPerSecond, cpu }: EndToEndResult): string {
  const cost = cpu === null ? "" : `, CPU µs a message ${JSON.stringify(cpu)}`;
  return `${Math.round(messagesPerSecond)} messages/s${cost}`;
}
