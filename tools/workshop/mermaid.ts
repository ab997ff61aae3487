/** Mermaid's own parser. It looks for a document when it is loaded: load one before the first call. */
export async function parseMermaid(text: string): Promise<unknown> {
  const { default: mermaid } = await import("mermaid");
  return mermaid.parse(text);
}
