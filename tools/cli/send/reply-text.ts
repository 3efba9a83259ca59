/** A reply as `--json` gives it. */
export function asText(bytes: Uint8Array): { reply: string } | { replyBase64: string } {
  try {
    return { reply: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    // Not text: base64 keeps every byte.
    return { replyBase64: Buffer.from(bytes).toString('base64') };
  }
}
