/**
 * How many findings of each check each directory may still have: a ratchet while the repository is being cleaned.
 *
 * Numbers here only shrink. The file is deleted, and every check demands zero, when all of them are.
 * `node --import tsx --conditions=source test/check/measure.ts --allowances` prints what there is today.
 */
export type Check = "idioms" | "references" | "invariants" | "sizes" | "fields" | "wiring";

export const ALLOWANCES: Readonly<Record<Check, Readonly<Record<string, number>>>> = {
  idioms: {},
  references: {},
  invariants: { shared: 14, "tools/embedded": 1 },
  sizes: {},
  fields: {},
  wiring: { "services/publisher": 1 },
};
