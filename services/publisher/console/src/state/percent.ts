/** Percent-encoding of addresses, by people and programs. */

/** Percent-encoded text; as it stands where it is not that. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
