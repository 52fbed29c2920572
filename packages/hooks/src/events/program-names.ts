/** What matchers of PreExec and PostExec are tried on: the program's resolved path and its last part. */
type Text = string | { base64: string };

export function programNames(file: Text): string[] {
  // Bytes that are not UTF-8 become U+FFFD, which no name in a matcher equals.
  const path = typeof file === "string" ? file : Buffer.from(file.base64, "base64").toString("utf8");
  return [path, path.slice(path.lastIndexOf("/") + 1)];
}
