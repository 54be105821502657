// docs/sql.md lists functions and limits: they are those of the code.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CONNECTIONS_MAX } from '../../src/doors/pgwire/server.ts';
import { MESSAGE_BYTES_MAX } from '../../src/doors/pgwire/framing.ts';
import {
  KEY_BYTES_MAX,
  LOCKS_PER_TRANSACTION_MAX,
  TRANSACTION_BYTES_MAX,
  VALUE_BYTES_MAX,
} from '../../src/ranges/limits.ts';
import { scalarFunctions } from '../../src/rows/functions.ts';
import { setFunctions } from '../../src/rows/function-sets.ts';
import { LINE_BYTES_MAX } from '../../src/sql/copy/lines.ts';
import { WORK_BYTES_MAX } from '../../src/sql/exec/memory-budget.ts';
import { depthMax, termsMax, textLengthMax, tokensMax } from '../../src/sql/parse/guard.ts';
import { aggregateNames } from '../../src/sql/plan/aggregates.ts';
import { sessionFunctionNames } from '../../src/sql/plan/session-functions.ts';
import { windowFunctionNames } from '../../src/sql/plan/windows.ts';
import { systemFunctionNames } from '../../src/sql/system/functions.ts';
import { PREPARED_MAX } from '../../src/sql/session/prepared.ts';

const DOC = readFileSync(fileURLToPath(new URL('../../docs/sql.md', import.meta.url)), 'utf8');

function listed(title: string): string[] {
  const line = DOC.split('\n').find((one) => one.startsWith(`${title}: \``)) ?? '';
  return [...line.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string);
}

/** The numbers in the row of the table of limits that begins so. */
function limits(what: string): number[] {
  const row = DOC.split('\n').find((one) => one.startsWith(`| ${what}`)) ?? '';
  const most = row.split('|')[2] ?? '';
  return [...most.matchAll(/\d[\d,]*/g)].map(([number]) => Number(number.replaceAll(',', '')));
}

/** Those in brackets are SQL's own syntax. */
const sqlNames = [...new Set([...scalarFunctions.values()].map(({ sqlName }) => sqlName))].filter(
  (name) => !name.startsWith('['),
);

describe('docs/sql.md', () => {
  it.each([
    ['Functions', sqlNames.filter((name) => /^\w/.test(name))],
    ['Operators', sqlNames.filter((name) => !/^\w/.test(name))],
    ['Of the session and the moment', sessionFunctionNames],
    ["Of the system's tables", systemFunctionNames],
    ['Aggregates', aggregateNames],
    ['In FROM', [...new Set(setFunctions.map(({ name }) => name)), 'generate_series', 'unnest']],
    ['Of windows', windowFunctionNames],
  ])('lists what there is: %s', (title, names) => {
    expect(listed(title)).toEqual([...names].sort((a, b) => (a < b ? -1 : 1)));
  });

  it.each([
    ['an encoded key', [KEY_BYTES_MAX]],
    ['an encoded row', [VALUE_BYTES_MAX]],
    ['what one transaction writes', [TRANSACTION_BYTES_MAX]],
    ['locks of a transaction', [LOCKS_PER_TRANSACTION_MAX]],
    ["a statement's text", [textLengthMax, tokensMax]],
    ['nesting and chains', [depthMax]],
    ['conditions joined', [termsMax]],
    ['memory of sorts', [WORK_BYTES_MAX]],
    ['a message of the protocol', [MESSAGE_BYTES_MAX]],
    ['a line of COPY', [LINE_BYTES_MAX]],
    ['connections', [CONNECTIONS_MAX]],
    ['prepared statements', [PREPARED_MAX]],
  ])('states the limit of %s', (what, most) => {
    expect(limits(what)).toEqual(most);
  });
});
