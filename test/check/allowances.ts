/**
 * How many findings of each check each directory may still have: a ratchet while the repository is being cleaned.
 *
 * Numbers here only shrink. The file is deleted, and every check demands zero, when all of them are.
 * `node --import tsx --conditions=source test/check/measure.ts --allowances` prints what there is today.
 */
export type Check = "idioms" | "references" | "invariants" | "sizes" | "fields" | "wiring";

export const ALLOWANCES: Readonly<Record<Check, Readonly<Record<string, number>>>> = {
  idioms: { "services/publisher": 27, shared: 110, test: 208, "tools/chaos": 82, "tools/embedded": 37 },
  references: { "services/publisher": 5, shared: 9, test: 1, "tools/chaos": 5 },
  invariants: { "services/publisher": 60, shared: 175, "tools/chaos": 60, "tools/cli": 4, "tools/embedded": 24 },
  sizes: { "services/publisher": 2, shared: 1, "tools/chaos": 3 },
  fields: {},
  wiring: { "services/publisher": 10 },
};
