// Three ways to count into a text: PostgreSQL's grammar counts UTF-8 bytes, our tree UTF-16 units, users characters.

const step = 256;

/** UTF-16 offsets from offsets in UTF-8 bytes. */
export class ByteOffsets {
  readonly #text: string;
  /** For every 256th byte, the UTF-16 offset and the byte offset of the first character at or behind it; undefined when
   * all is ASCII. */
  readonly #marks: number[] | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#marks = isAscii(text) ? undefined : marksOf(text);
  }

  utf16(byte: number): number {
    const marks = this.#marks;
    if (marks === undefined) return byte;
    const mark = Math.floor(byte / step) * 2;
    // A mark may lie behind its own byte, within a character: begin at the one before.
    const from = mark >= 2 ? mark - 2 : mark;
    let at = marks[from] ?? 0;
    let bytes = marks[from + 1] ?? 0;
    while (bytes < byte && at < this.#text.length) {
      const c = this.#text.codePointAt(at) as number;
      bytes += byteLength(c);
      at += c > 0xffff ? 2 : 1;
    }
    return at;
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

function byteLength(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x1_0000 ? 3 : 4;
}

function marksOf(text: string): number[] {
  const marks: number[] = [];
  let bytes = 0;
  let at = 0;
  while (at < text.length) {
    if (bytes >= (marks.length / 2) * step) marks.push(at, bytes);
    const c = text.codePointAt(at) as number;
    bytes += byteLength(c);
    at += c > 0xffff ? 2 : 1;
  }
  marks.push(at, bytes);
  return marks;
}

/** The 1-based position that errors carry, of an offset in UTF-16 units. */
export function characterPosition(text: string, at: number): number {
  let position = 1;
  for (let i = 0; i < at; i++) {
    // The second half of a pair is no character of its own.
    if ((text.charCodeAt(i) & 0xfc00) !== 0xdc00) position++;
  }
  return position;
}

/** The same of a tree node's `at`, which may be unknown. */
export function positionOf(text: string, at: number): number | undefined {
  return at < 0 ? undefined : characterPosition(text, at);
}
