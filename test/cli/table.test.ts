import { describe, expect, it } from 'vitest';
import { displayWidth, formatError, formatTable } from '../../src/cli/shell/table.ts';

const PLAIN = { expanded: false, nullText: '' };

describe('formatTable', () => {
  it('aligns numbers to the right, text to the left, and counts rows', () => {
    const fields = [
      { name: 'id', typeOid: 23 },
      { name: 'name', typeOid: 25 },
    ];
    const rows = [
      ['1', 'Ada'],
      ['200', null],
    ];
    expect(formatTable(fields, rows, PLAIN)).toBe(
      [' id  | name', '-----+------', '   1 | Ada', ' 200 |', '(2 rows)', ''].join('\n'),
    );
  });

  it('shows a value of two lines on two lines', () => {
    const text = formatTable([{ name: 'v', typeOid: 25 }], [['a\nbb']], PLAIN);
    expect(text).toBe([' v', '----', ' a +', ' bb', '(1 row)', ''].join('\n'));
  });

  it('has an expanded form', () => {
    const text = formatTable([{ name: 'v', typeOid: 25 }], [[null]], {
      expanded: true,
      nullText: '∅',
    });
    expect(text).toBe('-[ RECORD 1 ]-\nv | ∅\n');
  });
});

describe('formatError', () => {
  it('puts a caret under the place', () => {
    const statement = 'SELECT 1,\n  bad FROM t';
    const text = formatError(
      {
        severity: 'ERROR',
        code: '42703',
        message: 'no such column',
        detail: undefined,
        hint: 'Look.',
        position: 13,
      },
      statement,
    );
    expect(text).toBe(
      [
        'ERROR:  42703: no such column',
        'LINE 2:   bad FROM t',
        '          ^',
        'HINT:  Look.',
        '',
      ].join('\n'),
    );
  });
});

describe('displayWidth', () => {
  it.each([
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['漢字', 4],
    ['🙂', 2],
  ])('of %s is %i', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });
});
