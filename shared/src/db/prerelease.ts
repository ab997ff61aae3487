/**
 * Databases that were made before the first release. Their schemas came from many small migrations, which one file per
 * schema has replaced; they are refused.
 */

export const PRERELEASE_DATABASE = "This database was made by a pre-release version of acktor";

/** The second migration of each schema, and the checksum of the last content of each first one. */
const PRERELEASE: ReadonlySet<string> = new Set([
  "0002_guards.sql",
  "0002_handlers.sql",
  "bc361719ea7ee9e0d17958ad676e446729d19621b70e7c3d45a6da15b56e1233",
  "e9fd33be91096f60051520d68d1fbe1303fd7e6c246d749921b11bd082f8a006",
]);

/** Whether this row of a schema's migration table was written before the first release. */
export function isPrerelease({ name, checksum }: { readonly name: string; readonly checksum: string }): boolean {
  return PRERELEASE.has(name) || PRERELEASE.has(checksum);
}
