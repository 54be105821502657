// What a string's quotes stand for.

const simpleEscapes: ReadonlyMap<string, string> = new Map([
  ['\\', '\\'],
  ["'", "'"],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['b', '\b'],
  ['f', '\f'],
]);

/** Whether all escapes of an E'…' are of one character. */
export function hasSimpleEscapes(inner: string): boolean {
  for (let at = inner.indexOf('\\'); at >= 0; at = inner.indexOf('\\', at + 2)) {
    if (!simpleEscapes.has(inner.charAt(at + 1))) return false;
  }
  return true;
}

/** What '…', E'…' (with the escapes of `simpleEscapes`) or $tag$…$tag$ stands for. */
export function unquote(source: string): string {
  const first = source.charCodeAt(0);
  if (first === 39) {
    const inner = source.slice(1, -1);
    return inner.includes("''") ? inner.replaceAll("''", "'") : inner;
  }
  if (first === 36) {
    const tag = source.indexOf('$', 1) + 1;
    return source.slice(tag, -tag);
  }
  return source
    .slice(2, -1)
    .replace(/''|\\(.)/g, (_, escaped?: string) =>
      escaped === undefined ? "'" : (simpleEscapes.get(escaped) as string),
    );
}
