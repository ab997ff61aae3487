/**
 * Rules for the shipped SQL, checked on its text, so that `npm run check` needs no database.
 *
 * Invariants:
 *  1. A function with its owner's rights (SECURITY DEFINER) has exactly the search_path `pg_catalog, pg_temp`, and keeps both
 *     when a later file replaces or alters it.
 *  2. Functions are granted by name, and never to PUBLIC: `on all functions` hands out the owner's.
 *  3. Text inside of other text (DO blocks, strings for EXECUTE) obeys the same rules.
 */

export interface SqlFile {
  readonly name: string;
  readonly text: string;
}

interface Statement {
  /** Lower case, one blank between words, without comments; quoted text is `''`. */
  readonly text: string;
  readonly quoted: readonly string[];
}

const FIXED = /\bset search_path (?:=|to) pg_catalog ?, ?pg_temp(?! ?,)(?=\W|$)/;
const DEFINER = /\bsecurity definer\b/;
const DEFINES = /^(?:create(?: or replace)?|alter) (?:function|procedure|routine) ("?[\w.]+"?)/;

/** @param files in the order in which they are applied @returns one line for each fault */
export function sqlFaults(files: readonly SqlFile[]): string[] {
  const definers = new Set<string>();
  return files.flatMap(({ name, text }) => faultsOf(text, definers).map((fault) => `${name}: ${fault}`));
}

function faultsOf(text: string, definers: Set<string>): string[] {
  return statements(text).flatMap((statement) => [
    ...faultOf(statement.text, definers),
    ...statement.quoted.flatMap((inner) => faultsOf(inner, definers)),
  ]);
}

function faultOf(text: string, definers: Set<string>): string[] {
  const [, routine] = DEFINES.exec(text) ?? [];
  const start = text.slice(0, 80);
  const faults: string[] = [];
  const definer = DEFINER.test(text);
  if (definer && !FIXED.test(text)) {
    faults.push(`SECURITY DEFINER without "set search_path = pg_catalog, pg_temp": ${start}`);
  }
  if (routine !== undefined && !definer && definers.has(routine)) faults.push(...lost(text, start));
  if (routine !== undefined && definer) definers.add(routine);
  if (/\bgrant\b.* on all (?:functions|procedures|routines)\b/.test(text)) {
    faults.push(`grants all functions, not each by its name: ${start}`);
  }
  if (/\bgrant\b.* on (?:functions?|procedures?|routines?)\b.* to (?:[^(]*, ?)?public\b/.test(text)) {
    faults.push(`grants a function to PUBLIC: ${start}`);
  }
  if (/^alter default privileges\b.* grant\b.* on (?:functions|routines)\b/.test(text)) {
    faults.push(`grants functions that are not there yet: ${start}`);
  }
  return faults;
}

/** A statement replaces or alters a function with its owner's rights. */
function lost(text: string, start: string): string[] {
  if (text.startsWith("create")) return [`replaced without SECURITY DEFINER, which it had: ${start}`];
  const unsets = /\breset (?:all|search_path)\b/.test(text) || (/\bset search_path\b/.test(text) && !FIXED.test(text));
  return unsets ? [`loses its fixed search_path: ${start}`] : [];
}

const TOKEN = /--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w*)\$([\s\S]*?)\$\1\$|'((?:[^']|'')*)'|;|[^-/$';]+|[\s\S]/g;

function statements(sql: string): Statement[] {
  const found: Statement[] = [];
  let text = "";
  let quoted: string[] = [];
  const end = (): void => {
    const plain = text.toLowerCase().replaceAll(/\s+/g, " ").trim();
    if (plain !== "" || quoted.length > 0) found.push({ text: plain, quoted });
    text = "";
    quoted = [];
  };
  for (const [token, , dollars, string] of sql.matchAll(TOKEN)) {
    if (token === ";") end();
    else if (token.startsWith("--") || token.startsWith("/*")) text += " ";
    else if (dollars !== undefined || string !== undefined) {
      quoted.push(dollars ?? (string ?? "").replaceAll("''", "'"));
      text += "''";
    } else text += token;
  }
  end();
  return found;
}
