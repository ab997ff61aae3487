/**
 * What a stranger may write in the place of JSON: too deep, too wide, too large, of wrong types, with texts and numbers that
 * break stores and parsers. Each shape is made from a number, so that no two are equal.
 */
export type Shape = (n: number) => string;

const deep = (open: string, close: string, levels: number): string => open.repeat(levels) + close.repeat(levels);

/** Values for any field. */
const VALUES: Readonly<Record<string, Shape>> = {
  null: () => "null",
  "a number beyond all numbers": () => "1e999",
  "a number below all numbers": () => "-1e999",
  "a number of 300 digits": (n) => `${n}${"9".repeat(300)}`,
  "an object": (n) => `{"n":${n}}`,
  "an array": (n) => `[${n}]`,
  NUL: (n) => `"\\u0000${n}"`,
  "a lone surrogate": (n) => `"\\ud800${n}"`,
  "a control sequence of terminals": (n) => `"\\u001b[2J\\u009b31m${n}"`,
  "a long text": (n) => `"${"x".repeat(3_000)}${n}"`,
  "a text of escapes": () => `"${"\\u0041".repeat(500)}"`,
  "an empty text": () => '""',
  "a prototype": () => '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
  "deep arrays": () => deep("[", "]", 1_000),
  "deep objects": () => `${'{"a":'.repeat(500)}1${"}".repeat(500)}`,
};

/** Complete texts, for any receiver. */
const TEXTS: Readonly<Record<string, Shape>> = {
  nothing: () => "",
  "no JSON": (n) => `hello ${n}`,
  "a bracket": () => "[",
  "many brackets": () => "[".repeat(7_000),
  "deep and closed": () => deep("[", "]", 3_500),
  wide: () => `[${"0,".repeat(3_000)}0]`,
  "many members": (n) => `{${Array.from({ length: 200 }, (_, i) => `"k${i}":${n}`).join(",")}}`,
  "quotes alone": () => '"'.repeat(6_001),
  "backslashes alone": () => `"${"\\".repeat(6_001)}`,
  "a byte order mark": () => "\ufeff{}",
};

/**
 * Objects with these fields in which one field at a time is hostile, and the texts.
 * @param fields the valid members, as JSON, by name; each may depend on a number
 */
export function hostileObjects(fields: Readonly<Record<string, Shape>>): readonly Shape[] {
  const names = Object.keys(fields);
  const made: Shape[] = Object.values(TEXTS);
  for (const name of names) {
    for (const value of Object.values(VALUES)) {
      made.push((n) => write(fields, n, { [name]: value }));
    }
    made.push((n) => `${write(fields, n, {}).slice(0, -1)},"${name}":[1],"${name}":{"twice":1}}`);
    made.push((n) => write({ ...fields, [`${name}_`]: () => deep("[", "]", 300) }, n, {}));
  }
  return made;
}

function write(fields: Readonly<Record<string, Shape>>, n: number, other: Readonly<Record<string, Shape>>): string {
  const members = Object.entries(fields).map(([name, value]) => `"${name}":${(other[name] ?? value)(n)}`);
  return `{${members.join(",")}}`;
}
