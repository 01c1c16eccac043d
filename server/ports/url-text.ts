/** A percent-encoded part of a URL as text; as it stands where its escapes are none. */
export function decodedText(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
