// Results as people read them: aligned columns, numbers to the right, an expanded form for wide rows, and errors with
// a caret under the place that they speak of.

import type { ShellError, ShellField } from './client.ts';

/** int2/4/8, oid, float4/8, numeric. */
const RIGHT_ALIGNED: ReadonlySet<number> = new Set([20, 21, 23, 26, 700, 701, 1700]);

export interface TableOptions {
  readonly expanded: boolean;
  /** What NULL looks like. */
  readonly nullText: string;
}

/** Columns that a terminal gives a text: wide characters count twice, combining ones not at all. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    if (/\p{Mn}|\p{Me}|\p{Cf}/u.test(character)) continue;
    width += /\p{Emoji_Presentation}/u.test(character) || isWide(code) ? 2 : 1;
  }
  return width;
}

function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x20000 && code <= 0x3fffd)
  );
}

function pad(text: string, width: number, right: boolean): string {
  const fill = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return right ? fill + text : text + fill;
}

export function formatTable(
  fields: readonly ShellField[],
  rows: readonly (readonly (string | null)[])[],
  options: TableOptions,
): string {
  if (options.expanded) return formatExpanded(fields, rows, options);
  // A value of several lines takes several lines of the table, marked with '+' as psql does.
  const cells = rows.map((row) => row.map((value) => (value ?? options.nullText).split('\n')));
  const widths = fields.map((field, i) =>
    Math.max(displayWidth(field.name), ...cells.map((row) => widest(row[i] as string[]))),
  );
  const header = fields.map((field, i) => centre(field.name, widths[i] as number)).join(' | ');
  const rule = widths.map((width) => '-'.repeat(width + 2)).join('+');
  const lines = [` ${header}`.trimEnd(), rule];
  for (const row of cells) {
    const height = Math.max(1, ...row.map((cell) => cell.length));
    for (let line = 0; line < height; line++) {
      const parts = fields.map((field, i) => {
        const cell = row[i] as string[];
        const text = pad(cell[line] ?? '', widths[i] as number, RIGHT_ALIGNED.has(field.typeOid));
        return text + (line + 1 < cell.length ? '+' : ' ');
      });
      lines.push(` ${parts.join('| ')}`.trimEnd());
    }
  }
  lines.push(`(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})`);
  return `${lines.join('\n')}\n`;
}

function widest(lines: readonly string[]): number {
  return Math.max(...lines.map(displayWidth));
}

function centre(text: string, width: number): string {
  const free = width - displayWidth(text);
  const left = Math.floor(free / 2);
  return ' '.repeat(left) + text + ' '.repeat(free - left);
}

function formatExpanded(
  fields: readonly ShellField[],
  rows: readonly (readonly (string | null)[])[],
  options: TableOptions,
): string {
  if (rows.length === 0) return '(0 rows)\n';
  const width = Math.max(...fields.map((field) => displayWidth(field.name)));
  let out = '';
  rows.forEach((row, number) => {
    out += `-[ RECORD ${number + 1} ]${'-'.repeat(Math.max(1, width - 8))}\n`;
    fields.forEach((field, i) => {
      out += `${pad(field.name, width, false)} | ${row[i] ?? options.nullText}\n`;
    });
  });
  return out;
}

export function formatError(error: ShellError, statement: string): string {
  let out = `${error.severity}:  ${error.code === '' ? '' : `${error.code}: `}${error.message}\n`;
  if (error.position !== undefined && error.position > 0)
    out += caret(statement, error.position - 1);
  if (error.detail !== undefined) out += `DETAIL:  ${error.detail}\n`;
  if (error.hint !== undefined) out += `HINT:  ${error.hint}\n`;
  return out;
}

/** The line that the offset lies on, and a caret below it. */
function caret(statement: string, offset: number): string {
  const characters = [...statement];
  const before = characters.slice(0, offset).join('');
  const lineNumber = before.split('\n').length;
  const line = statement.split('\n')[lineNumber - 1] ?? '';
  const column = displayWidth((before.split('\n').pop() ?? '').replaceAll('\t', ' '));
  const label = `LINE ${lineNumber}: `;
  // Long lines are cut around the place.
  const from = Math.max(0, column - 60);
  const shown = line.replaceAll('\t', ' ').slice(from, from + 76);
  const cut = from > 0 ? '...' : '';
  return `${label}${cut}${shown}\n${' '.repeat(label.length + cut.length + column - from)}^\n`;
}
