import { describe, expect, it } from 'vitest';
import { DbError } from '../../../src/base/errors.ts';
import { sqlTypeName } from '../../../src/rows/type-names.ts';
import { resolveTypeName } from '../../../src/sql/types/names.ts';

function resolve(name: string, modifiers: readonly number[] = [], array = false): string {
  try {
    return sqlTypeName(resolveTypeName({ schema: undefined, name, modifiers, array, at: 4 }));
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    return `${error.code} ${error.message} @${error.fields.position}`;
  }
}

describe('type names', () => {
  it.each([
    ['int4', 'integer'],
    ['integer', 'integer'],
    ['bigint', 'bigint'],
    ['smallint', 'smallint'],
    ['real', 'real'],
    ['double precision', 'double precision'],
    ['decimal', 'numeric'],
    ['character varying', 'character varying'],
    ['timestamp with time zone', 'timestamp with time zone'],
    ['bool', 'boolean'],
    ['jsonb', 'jsonb'],
  ])('%s is %s', (name, shown) => {
    expect(resolve(name)).toBe(shown);
  });

  it('take modifiers where the type has them', () => {
    expect(resolve('varchar', [20])).toBe('character varying(20)');
    expect(resolve('bpchar', [84])).toBe('character(84)');
    expect(resolve('numeric', [10, 2])).toBe('numeric(10,2)');
    expect(resolve('numeric', [5, -2])).toBe('numeric(5,-2)');
    expect(resolve('timestamp', [3])).toBe('timestamp(3) without time zone');
    expect(resolve('timestamptz', [9])).toBe('timestamp with time zone');
  });

  it('are refused with the place', () => {
    expect(resolve('foo')).toBe('42704 type "foo" does not exist @5');
    expect(resolve('int4', [3])).toBe('42601 type modifier is not allowed for type "int4" @5');
    expect(resolve('varchar', [0])).toBe('22023 length for type varchar must be at least 1 @5');
    expect(resolve('numeric', [1001])).toBe(
      '22023 NUMERIC precision 1001 must be between 1 and 1000 @5',
    );
    expect(resolve('inet')).toBe('0A000 type inet is not supported @5');
    expect(resolve('int4', [], true)).toBe('integer[]');
    expect(resolve('_text')).toBe('text[]');
    expect(resolve('varchar', [3], true)).toBe('character varying(3)[]');
  });
});
