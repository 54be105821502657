// Expected answers are PostgreSQL 15's.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Decimal } from '../../src/rows/decimal.ts';
import { decimal } from './arbitraries.ts';

const d = (text: string): Decimal => Decimal.parse(text);

describe('numeric', () => {
  it.each([
    ['1', '3', '0.33333333333333333333'],
    ['10', '3', '3.3333333333333333'],
    ['1', '7000', '0.00014285714285714286'],
    ['123456789012345678901234567890', '7', '17636684144620811271604938270'],
    ['1.50', '0.5', '3.0000000000000000'],
    ['-7', '2', '-3.5000000000000000'],
    ['0.001', '9999.9999', '0.000000100000001000000010'],
    ['1e-20', '3', '0.0000000000000000000033333333333333333333'],
    ['1', 'Infinity', '0'],
    ['-Infinity', '3', '-Infinity'],
    ['NaN', '0', 'NaN'],
  ])('%s / %s = %s', (a, b, quotient) => {
    expect(d(a).div(d(b)).toString()).toBe(quotient);
  });

  it.each([
    ['1.10', '2.2', '3.30', '-1.10', '2.420', '1.10'],
    ['-5', '3', '-2', '-8', '-15', '-2'],
    ['Infinity', '2', 'Infinity', 'Infinity', 'Infinity', 'NaN'],
    ['7', '-Infinity', '-Infinity', 'Infinity', '-Infinity', '7'],
    ['Infinity', 'Infinity', 'Infinity', 'NaN', 'Infinity', 'NaN'],
  ])('%s and %s: sum, difference, product, remainder', (a, b, sum, difference, product, rest) => {
    const [x, y] = [d(a), d(b)];
    expect([x.add(y), x.sub(y), x.mul(y), x.mod(y)].map(String)).toEqual([
      sum,
      difference,
      product,
      rest,
    ]);
  });

  it.each([
    ['2.5', 0, '3', '2'],
    ['-2.5', 0, '-3', '-2'],
    ['1.2345', 3, '1.235', '1.234'],
    ['155', -1, '160', '150'],
    ['1.2', 3, '1.200', '1.200'],
    ['99.995', 2, '100.00', '99.99'],
    ['5', -2, '0', '0'],
  ])('%s to scale %i rounds to %s and is cut to %s', (value, scale, rounded, cut) => {
    expect(d(value).round(scale).toString()).toBe(rounded);
    expect(d(value).trunc(scale).toString()).toBe(cut);
  });

  it.each([
    ['2', '1.414213562373095'],
    ['0.00', '0.000000000000000'],
    ['1e10', '100000.00000000000'],
    ['0.0001', '0.01000000000000000'],
  ])('the root of %s is %s', (value, root) => {
    expect(d(value).sqrt().toString()).toBe(root);
  });

  it.each([
    [(): unknown => d('1').div(d('0.0')), '22012'],
    [(): unknown => d('1').mod(d('0')), '22012'],
    [(): unknown => d('-1').sqrt(), '2201F'],
    [(): unknown => d('1e131071').mul(d('10')), '22003'],
  ])('fails where PostgreSQL does (%#)', (run, code) => {
    expect(run).toThrow(expect.objectContaining({ code }));
  });

  it('takes as many digits of a float as PostgreSQL does', () => {
    expect(Decimal.fromFloat(0.1 + 0.2).toString()).toBe('0.3');
    expect(Decimal.fromFloat(1e20).toString()).toBe('100000000000000000000');
    expect(Decimal.fromFloat(Math.fround(0.1), 6).toString()).toBe('0.1');
    expect(Decimal.fromFloat(1234567.5, 6).toString()).toBe('1234570');
  });

  it('orders -Infinity, values, Infinity, NaN, whatever their scale', () => {
    const sorted = ['-Infinity', '-1e30', '-0.5', '0.00', '0.10', '1', '1e30', 'Infinity', 'NaN'];
    const values = sorted.map(d);
    expect(
      [...values]
        .reverse()
        .sort((a, b) => a.compare(b))
        .map(String),
    ).toEqual(values.map(String));
    expect(d('1.0').compare(d('1.00'))).toBe(0);
    expect(Decimal.NAN.compare(Decimal.NAN)).toBe(0);
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(decimal, (value) => {
        expect(Decimal.parse(value.toString())).toEqual(value);
      }),
    );
  });

  it('is exact: (a + b) - b = a, a * b / b = a, a = (a - a mod b) + a mod b', () => {
    fc.assert(
      fc.property(decimal, decimal, (a, b) => {
        expect(a.add(b).sub(b).compare(a)).toBe(0);
        if (b.sign() === 0) return;
        const rest = a.mod(b);
        const whole = a.sub(rest);
        expect(whole.add(rest).compare(a)).toBe(0);
        expect(whole.div(b).round(0).mul(b).compare(whole)).toBe(0);
        expect(rest.abs().compare(b.abs())).toBeLessThan(0);
      }),
    );
  });
});
