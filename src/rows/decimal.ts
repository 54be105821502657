// PostgreSQL's numeric: exact decimals with a display scale, NaN and the infinities. A finite value is
// unscaled / 10^scale; the scale is kept, so 1.50 prints as 1.50. Immutable.

import { DbError } from '../base/errors.ts';

/** PostgreSQL's limits on digits before and after the point (numeric.c). */
const INTEGER_DIGITS_MAX = 131072;
const SCALE_MAX = 16383;
/** NUMERIC_MIN_SIG_DIGITS and NUMERIC_MAX_DISPLAY_SCALE: what division aims at. */
const DIVISION_DIGITS_MIN = 16;
const DIVISION_SCALE_MAX = 1000;

export type DecimalKind = 'finite' | 'nan' | 'infinity' | '-infinity';

const POWERS: bigint[] = [];

export function powerOfTen(exponent: number): bigint {
  if (exponent > 512) return 10n ** BigInt(exponent);
  for (let i = POWERS.length; i <= exponent; i++)
    POWERS.push(i === 0 ? 1n : (POWERS[i - 1] as bigint) * 10n);
  return POWERS[exponent] as bigint;
}

export function overflow(): DbError {
  return new DbError('22003', 'value overflows numeric format');
}

export function invalidNumeric(text: string): DbError {
  return new DbError('22P02', `invalid input syntax for type numeric: "${text}"`);
}

export function divisionByZero(): DbError {
  return new DbError('22012', 'division by zero');
}

const NUMBER = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

export class Decimal {
  readonly kind: DecimalKind;
  readonly unscaled: bigint;
  readonly scale: number;

  private constructor(kind: DecimalKind, unscaled: bigint, scale: number) {
    this.kind = kind;
    this.unscaled = unscaled;
    this.scale = scale;
  }

  static readonly NAN: Decimal = new Decimal('nan', 0n, 0);
  static readonly INFINITY: Decimal = new Decimal('infinity', 0n, 0);
  static readonly NEGATIVE_INFINITY: Decimal = new Decimal('-infinity', 0n, 0);
  static readonly ZERO: Decimal = new Decimal('finite', 0n, 0);
  static readonly ONE: Decimal = new Decimal('finite', 1n, 0);

  /** A finite value; a negative scale is brought to zero. */
  static of(unscaled: bigint, scale = 0): Decimal {
    if (scale < 0) return Decimal.of(unscaled * powerOfTen(-scale), 0);
    if (scale > SCALE_MAX)
      return new Decimal(
        'finite',
        divideRounded(unscaled, powerOfTen(scale - SCALE_MAX)),
        SCALE_MAX,
      );
    return new Decimal('finite', unscaled, scale);
  }

  static fromInteger(value: number | bigint): Decimal {
    return new Decimal('finite', BigInt(value), 0);
  }

  /** As PostgreSQL casts floats: 15 significant digits of a float8, 6 of a float4. */
  static fromFloat(value: number, digits = 15): Decimal {
    if (Number.isNaN(value)) return Decimal.NAN;
    if (value === Number.POSITIVE_INFINITY) return Decimal.INFINITY;
    if (value === Number.NEGATIVE_INFINITY) return Decimal.NEGATIVE_INFINITY;
    if (Number.isInteger(value) && Math.abs(value) < 10 ** Math.min(digits, 15))
      return Decimal.fromInteger(value);
    // %.15g drops trailing zeros; toPrecision keeps them.
    const [mantissa, exponent] = value.toExponential(digits - 1).split('e') as [string, string];
    const trimmed = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
    return Decimal.parse(`${trimmed}e${exponent}`);
  }

  /** Throws DbError 22P02 or 22003. */
  static parse(text: string): Decimal {
    const trimmed = text.trim();
    const match = NUMBER.exec(trimmed);
    if (match === null) return parseSpecial(trimmed, text);
    const [, sign, whole = '', fraction = '', exponentText] = match;
    if (whole.length + fraction.length === 0) throw invalidNumeric(text);
    const exponent = exponentText === undefined ? 0 : Number(exponentText);
    if (Math.abs(exponent) > 2 * INTEGER_DIGITS_MAX) throw overflow();
    const digits = BigInt(whole + fraction);
    const unscaled = sign === '-' ? -digits : digits;
    const scale = fraction.length - exponent;
    if (scale > SCALE_MAX) throw overflow();
    if (digits !== 0n && whole.replace(/^0+/, '').length + exponent > INTEGER_DIGITS_MAX)
      throw overflow();
    return Decimal.of(unscaled, scale > 0 || digits !== 0n ? scale : 0);
  }

  get isFinite(): boolean {
    return this.kind === 'finite';
  }

  /** -1, 0 or 1; NaN has none (answers 0). */
  sign(): number {
    switch (this.kind) {
      case 'finite':
        return this.unscaled > 0n ? 1 : this.unscaled < 0n ? -1 : 0;
      case 'infinity':
        return 1;
      case '-infinity':
        return -1;
      case 'nan':
        return 0;
    }
  }

  toString(): string {
    switch (this.kind) {
      case 'nan':
        return 'NaN';
      case 'infinity':
        return 'Infinity';
      case '-infinity':
        return '-Infinity';
      case 'finite': {
        if (this.scale === 0) return this.unscaled.toString();
        const negative = this.unscaled < 0n;
        const digits = (negative ? -this.unscaled : this.unscaled)
          .toString()
          .padStart(this.scale + 1, '0');
        const point = digits.length - this.scale;
        return `${negative ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point)}`;
      }
    }
  }

  toNumber(): number {
    return Number(this.toString());
  }

  neg(): Decimal {
    switch (this.kind) {
      case 'nan':
        return this;
      case 'infinity':
        return Decimal.NEGATIVE_INFINITY;
      case '-infinity':
        return Decimal.INFINITY;
      case 'finite':
        return new Decimal('finite', -this.unscaled, this.scale);
    }
  }

  abs(): Decimal {
    return this.sign() < 0 ? this.neg() : this;
  }

  add(other: Decimal): Decimal {
    if (this.kind !== 'finite' || other.kind !== 'finite') {
      if (this.kind === 'nan' || other.kind === 'nan') return Decimal.NAN;
      if (this.kind === 'finite') return other;
      if (other.kind === 'finite' || this.kind === other.kind) return this;
      return Decimal.NAN;
    }
    if (this.scale === other.scale) return checked(this.unscaled + other.unscaled, this.scale);
    const scale = Math.max(this.scale, other.scale);
    return checked(this.unscaledAt(scale) + other.unscaledAt(scale), scale);
  }

  sub(other: Decimal): Decimal {
    return this.add(other.neg());
  }

  mul(other: Decimal): Decimal {
    if (this.kind !== 'finite' || other.kind !== 'finite') {
      if (this.kind === 'nan' || other.kind === 'nan') return Decimal.NAN;
      return infinityOfSign(this.sign() * other.sign());
    }
    return checked(this.unscaled * other.unscaled, this.scale + other.scale);
  }

  /** The quotient's scale is PostgreSQL's choice: at least 16 significant digits, not less than either scale. */
  div(other: Decimal): Decimal {
    if (this.kind === 'nan' || other.kind === 'nan') return Decimal.NAN;
    if (this.kind !== 'finite') {
      if (other.kind !== 'finite') return Decimal.NAN;
      if (other.unscaled === 0n) throw divisionByZero();
      return infinityOfSign(this.sign() * other.sign());
    }
    if (other.kind !== 'finite') return Decimal.ZERO;
    if (other.unscaled === 0n) throw divisionByZero();
    const scale = divisionScale(this, other);
    const shift = scale + other.scale - this.scale;
    return checked(
      shift >= 0
        ? divideRounded(this.unscaled * powerOfTen(shift), other.unscaled)
        : divideRounded(this.unscaled, other.unscaled * powerOfTen(-shift)),
      scale,
    );
  }

  /** The remainder has the sign of the dividend. */
  mod(other: Decimal): Decimal {
    if (this.kind === 'nan' || other.kind === 'nan') return Decimal.NAN;
    if (this.kind !== 'finite') {
      if (other.kind === 'finite' && other.unscaled === 0n) throw divisionByZero();
      return Decimal.NAN;
    }
    if (other.kind !== 'finite') return this;
    if (other.unscaled === 0n) throw divisionByZero();
    const scale = Math.max(this.scale, other.scale);
    return Decimal.of(this.unscaledAt(scale) % other.unscaledAt(scale), scale);
  }

  /** PostgreSQL's order: -Infinity, finite values, Infinity, NaN; the scale does not matter. */
  compare(other: Decimal): number {
    if (this.kind !== 'finite' || other.kind !== 'finite') return rank(this) - rank(other);
    if (this.scale === other.scale) {
      return this.unscaled < other.unscaled ? -1 : this.unscaled > other.unscaled ? 1 : 0;
    }
    const scale = Math.max(this.scale, other.scale);
    const a = this.unscaledAt(scale);
    const b = other.unscaledAt(scale);
    return a < b ? -1 : a > b ? 1 : 0;
  }

  /** Half away from zero; a negative scale rounds before the point. The result's scale is max(scale, 0). */
  round(scale: number): Decimal {
    return this.rescale(scale, divideRounded);
  }

  /** Towards zero. */
  trunc(scale = 0): Decimal {
    return this.rescale(scale, (a, b) => a / b);
  }

  floor(): Decimal {
    const cut = this.trunc();
    return cut.compare(this) > 0 ? cut.sub(Decimal.ONE) : cut;
  }

  ceil(): Decimal {
    const cut = this.trunc();
    return cut.compare(this) < 0 ? cut.add(Decimal.ONE) : cut;
  }

  /** Without trailing zeros after the point: equal values become identical. */
  normalized(): Decimal {
    if (this.kind !== 'finite' || this.scale === 0) return this;
    let { unscaled, scale } = this;
    while (scale > 0 && unscaled % 10n === 0n) {
      unscaled /= 10n;
      scale--;
    }
    return new Decimal('finite', unscaled, scale);
  }

  /** To so many digits after the point; numeric.c's choice where none is given. */
  sqrt(digits?: number): Decimal {
    if (this.kind === 'nan' || this.kind === 'infinity') return this;
    if (this.sign() < 0) throw new DbError('2201F', 'cannot take square root of a negative number');
    const weight = this.unscaled === 0n ? 0 : leading(this).weight;
    const integerDigits =
      weight >= 0 ? Math.trunc((weight * 4) / 2) + 1 : 1 - Math.trunc((1 - weight * 4) / 2);
    const wanted = Math.max(DIVISION_DIGITS_MIN - integerDigits, this.scale, 0);
    const scale = digits ?? Math.min(wanted, DIVISION_SCALE_MAX);
    // One more digit than asked, then rounded.
    const root = integerSqrt(this.unscaledAt(Math.max(2 * scale + 2, this.scale)));
    return Decimal.of(divideRounded(root, 10n), scale);
  }

  private unscaledAt(scale: number): bigint {
    return scale === this.scale ? this.unscaled : this.unscaled * powerOfTen(scale - this.scale);
  }

  private rescale(scale: number, divide: (a: bigint, b: bigint) => bigint): Decimal {
    if (this.kind !== 'finite') return this;
    const wanted = Math.min(Math.max(scale, -INTEGER_DIGITS_MAX), SCALE_MAX);
    if (wanted >= this.scale) return Decimal.of(this.unscaledAt(wanted), wanted);
    const kept = divide(this.unscaled, powerOfTen(this.scale - wanted));
    return wanted >= 0 ? Decimal.of(kept, wanted) : Decimal.of(kept * powerOfTen(-wanted), 0);
  }
}

function parseSpecial(trimmed: string, original: string): Decimal {
  switch (trimmed.toLowerCase()) {
    case 'nan':
      return Decimal.NAN;
    case 'infinity':
    case '+infinity':
    case 'inf':
    case '+inf':
      return Decimal.INFINITY;
    case '-infinity':
    case '-inf':
      return Decimal.NEGATIVE_INFINITY;
    default:
      throw invalidNumeric(original);
  }
}

function infinityOfSign(sign: number): Decimal {
  return sign > 0 ? Decimal.INFINITY : sign < 0 ? Decimal.NEGATIVE_INFINITY : Decimal.NAN;
}

function rank(value: Decimal): number {
  switch (value.kind) {
    case '-infinity':
      return 0;
    case 'finite':
      return 1;
    case 'infinity':
      return 2;
    case 'nan':
      return 3;
  }
}

const SURELY_SMALL = 10n ** 1000n;

function checked(unscaled: bigint, scale: number): Decimal {
  if (unscaled > SURELY_SMALL || unscaled < -SURELY_SMALL) {
    const limit = powerOfTen(INTEGER_DIGITS_MAX + scale);
    if (unscaled >= limit || unscaled <= -limit) throw overflow();
  }
  return Decimal.of(unscaled, scale);
}

/** a / b, half away from zero. */
function divideRounded(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  const remainder = a - quotient * b;
  if (remainder === 0n) return quotient;
  const twice = 2n * (remainder < 0n ? -remainder : remainder);
  if (twice < (b < 0n ? -b : b)) return quotient;
  return a < 0n === b < 0n ? quotient + 1n : quotient - 1n;
}

/** Weight and value of the first base-10000 digit, PostgreSQL's unit of digits. */
function leading(value: Decimal): { weight: number; digit: number } {
  if (value.unscaled === 0n) return { weight: 0, digit: 0 };
  const digits = (value.unscaled < 0n ? -value.unscaled : value.unscaled).toString();
  const exponent = digits.length - value.scale - 1;
  const weight = Math.floor(exponent / 4);
  const length = exponent - weight * 4 + 1;
  return { weight, digit: Number(digits.slice(0, length).padEnd(length, '0')) };
}

/** select_div_scale() of PostgreSQL's numeric.c. */
function divisionScale(a: Decimal, b: Decimal): number {
  const first = leading(a);
  const second = leading(b);
  let weight = first.weight - second.weight;
  if (first.digit <= second.digit) weight--;
  const wanted = Math.max(DIVISION_DIGITS_MIN - weight * 4, a.scale, b.scale, 0);
  return Math.min(wanted, DIVISION_SCALE_MAX);
}

/** Newton's method from above. */
function integerSqrt(value: bigint): bigint {
  if (value < 2n) return value;
  let x = 1n << BigInt((value.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (x + value / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}
