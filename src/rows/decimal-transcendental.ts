// exp, ln, log and power of numeric, to the digit: how many digits PostgreSQL's numeric.c gives, and those rounded from a
// value that is worked out further than that. Fixed-point numbers here are bigints scaled by a power of ten.

import { DbError } from '../base/errors.ts';
import { Decimal, overflow, powerOfTen } from './decimal.ts';

const DIGITS_MIN = 16;
const SCALE_MAX = 1000;
/** Digits that are worked out beyond those asked for. */
const GUARD = 25;
/** exp() of more than this is beyond all numerics. */
const EXPONENT_MAX = 6000;
/** NUMERIC_WEIGHT_MAX + 1 digits of base 10000. */
const WEIGHT_DIGITS_MAX = 131072;
const LOG10_E = 0.434294481903252;

function clampScale(wanted: number, ...least: readonly number[]): number {
  return Math.min(Math.max(wanted, 0, ...least), SCALE_MAX);
}

/** e^x; both scaled by 10^digits. */
function expFixed(x: bigint, digits: number): bigint {
  const one = powerOfTen(digits);
  // Halved so often that the series ends soon, then squared as often.
  let halvings = 0;
  let small = x;
  while (small > one / 1024n || small < -one / 1024n) {
    small /= 2n;
    halvings++;
  }
  const extra = BigInt(halvings);
  const wide = one << extra;
  small = x;
  let term = wide;
  let sum = wide;
  for (let n = 1n; term !== 0n; n++) {
    term = (term * small) / (wide * n);
    sum += term;
  }
  for (let i = 0; i < halvings; i++) sum = (sum * sum) / wide;
  return sum >> extra;
}

/** ln(x) for x > 0; both scaled by 10^digits. */
function lnFixed(x: bigint, digits: number): bigint {
  const one = powerOfTen(digits);
  const text = x.toString();
  const leading = Number(`0.${text.slice(0, 17)}`);
  const near = Math.log(leading) + (text.length - digits) * Math.LN10;
  // What a float knows of it, then the rest by the series of the inverse hyperbolic tangent.
  const guess = BigInt(Math.round(near * 2 ** 40));
  const first = (guess * one) >> 40n;
  const rest = (x * expFixed(-first, digits)) / one;
  const y = ((rest - one) * one) / (rest + one);
  const square = (y * y) / one;
  let power = y;
  let sum = 0n;
  for (let n = 1n; power !== 0n; n += 2n) {
    sum += power / n;
    power = (power * square) / one;
  }
  return first + 2n * sum;
}

function fixedOf(value: Decimal, digits: number): bigint {
  return digits >= value.scale
    ? value.unscaled * powerOfTen(digits - value.scale)
    : value.unscaled / powerOfTen(value.scale - digits);
}

function fromFixed(value: bigint, digits: number, scale: number): Decimal {
  return Decimal.of(value, digits).round(scale);
}

export function exp(value: Decimal): Decimal {
  if (value.kind !== 'finite') return value.kind === '-infinity' ? Decimal.ZERO : value;
  const size = value.toNumber();
  const weight = Math.max(-2000, Math.min(2000, size * LOG10_E));
  const scale = clampScale(DIGITS_MIN - Math.trunc(weight), value.scale);
  if (size >= EXPONENT_MAX) throw overflow();
  if (size <= -EXPONENT_MAX) return Decimal.of(0n, scale);
  return expTo(value, scale);
}

function expTo(value: Decimal, scale: number): Decimal {
  const whole = Math.max(0, Math.ceil(value.toNumber() * LOG10_E));
  const digits = scale + whole + GUARD;
  return fromFixed(
    expFixed(fixedOf(value, Math.max(digits, value.scale)), Math.max(digits, value.scale)),
    Math.max(digits, value.scale),
    scale,
  );
}

/** The first digits of base 10000 and their weight, as numeric.c sees a number. */
function baseDigits(value: Decimal): { digits: number[]; weight: number } {
  const size = value.unscaled < 0n ? -value.unscaled : value.unscaled;
  if (size === 0n) return { digits: [], weight: 0 };
  const text = size.toString();
  const exponent = text.length - value.scale - 1;
  const weight = Math.floor(exponent / 4);
  const lead = exponent - weight * 4 + 1;
  const padded = text.padEnd(lead + 20, '0');
  const digits = [Number(padded.slice(0, lead))];
  for (let at = lead; at < Math.min(padded.length, lead + 20); at += 4) {
    digits.push(Number(padded.slice(at, at + 4).padEnd(4, '0')));
  }
  const kept = text.replace(/0+$/, '').length;
  const count = Math.max(1, 1 + Math.ceil((kept - lead) / 4));
  return { digits: digits.slice(0, count), weight };
}

const NINE_TENTHS = Decimal.of(9n, 1);
const ELEVEN_TENTHS = Decimal.of(11n, 1);

/** estimate_ln_dweight(): about how many digits the logarithm has before its point. */
function logarithmWeight(value: Decimal): number {
  if (value.compare(NINE_TENTHS) >= 0 && value.compare(ELEVEN_TENTHS) <= 0) {
    const { digits, weight } = baseDigits(value.sub(Decimal.ONE));
    const [first] = digits;
    return first === undefined ? 0 : weight * 4 + Math.trunc(Math.log10(first));
  }
  const { digits, weight } = baseDigits(value);
  const [first, second] = digits;
  if (first === undefined) return 0;
  const lead = second === undefined ? first : first * 10000 + second;
  const at = (second === undefined ? weight : weight - 1) * 4;
  return Math.trunc(Math.log10(Math.abs(Math.log(lead) + at * 2.302585092994046)));
}

function refuseNoLogarithm(value: Decimal): void {
  if (value.sign() < 0) {
    throw new DbError('2201E', 'cannot take logarithm of a negative number');
  }
  if (value.isFinite && value.sign() === 0) {
    throw new DbError('2201E', 'cannot take logarithm of zero');
  }
}

export function ln(value: Decimal): Decimal {
  refuseNoLogarithm(value);
  if (value.kind !== 'finite') return value;
  return lnTo(value, clampScale(DIGITS_MIN - logarithmWeight(value), value.scale));
}

function lnTo(value: Decimal, scale: number): Decimal {
  const digits = lnDigits(value, scale);
  return fromFixed(lnFixed(fixedOf(value, digits), digits), digits, scale);
}

/** Enough that a tiny number is not lost, nor how far one near 1 is from it. */
function lnDigits(value: Decimal, scale: number): number {
  return Math.max(scale, value.scale) + value.unscaled.toString().length + GUARD;
}

export function log(base: Decimal, value: Decimal): Decimal {
  if (base.kind === 'nan' || value.kind === 'nan') return Decimal.NAN;
  refuseNoLogarithm(base);
  refuseNoLogarithm(value);
  if (base.kind !== 'finite' || value.kind !== 'finite') return logOfInfinities(base, value);
  const weight = logarithmWeight(value) - logarithmWeight(base);
  const scale = clampScale(DIGITS_MIN - weight, base.scale, value.scale);
  const digits = Math.max(lnDigits(value, scale), lnDigits(base, scale)) + 20;
  const divisor = lnFixed(fixedOf(base, digits), digits);
  if (divisor === 0n) throw new DbError('22012', 'division by zero');
  const dividend = lnFixed(fixedOf(value, digits), digits);
  return fromFixed((dividend * powerOfTen(digits)) / divisor, digits, scale);
}

function logOfInfinities(base: Decimal, value: Decimal): Decimal {
  if (base.kind === 'infinity' && value.kind === 'infinity') return Decimal.NAN;
  return base.kind === 'infinity' ? Decimal.ZERO : Decimal.INFINITY;
}

function isWhole(value: Decimal): boolean {
  return value.kind === 'finite' && value.normalized().scale === 0;
}

export function power(base: Decimal, exponent: Decimal): Decimal {
  if (base.kind !== 'finite' || exponent.kind !== 'finite') return specialPower(base, exponent);
  if (base.sign() === 0 && exponent.sign() < 0) {
    throw new DbError('2201F', 'zero raised to a negative power is undefined');
  }
  if (base.sign() < 0 && !isWhole(exponent)) {
    throw new DbError(
      '2201F',
      'a negative number raised to a non-integer power yields a complex result',
    );
  }
  if (isWhole(exponent)) {
    const whole = exponent.trunc().unscaled;
    if (whole >= -2147483648n && whole <= 2147483647n) {
      return integerPower(base, Number(whole));
    }
  }
  if (base.sign() === 0) return Decimal.of(0n, DIGITS_MIN);
  const size = base.abs();
  const approximate = lnTo(size, clampScale(8 - logarithmWeight(size))).toNumber();
  const estimate = approximate * exponent.toNumber();
  if (Math.abs(estimate) > 2000 * 3.01) {
    if (estimate > 0) throw overflow();
    return Decimal.of(0n, SCALE_MAX);
  }
  const scale = clampScale(DIGITS_MIN - Math.trunc(estimate * LOG10_E), base.scale, exponent.scale);
  const whole = Math.max(0, Math.ceil(estimate * LOG10_E));
  const digits = scale + whole + GUARD + exponent.unscaled.toString().length + lnDigits(size, 0);
  const logarithm = lnFixed(fixedOf(size, digits), digits);
  const product = (logarithm * fixedOf(exponent, digits)) / powerOfTen(digits);
  const result = fromFixed(expFixed(product, digits), digits, scale);
  const isOdd = base.sign() < 0 && exponent.trunc().unscaled % 2n !== 0n;
  return isOdd ? result.neg() : result;
}

/** power_var_int() of numeric.c. */
function integerPower(base: Decimal, exponent: number): Decimal {
  const { digits, weight } = baseDigits(base);
  let lead = digits[0] ?? 0;
  let at = weight * 4;
  for (let i = 1; i < digits.length && i * 4 < DIGITS_MIN; i++) {
    lead = lead * 10000 + (digits[i] as number);
    at -= 4;
  }
  const size = digits.length === 0 ? 0 : exponent * (Math.log10(lead) + at);
  if (size > WEIGHT_DIGITS_MAX) throw overflow();
  const scale = clampScale(DIGITS_MIN, base.scale);
  if (size + 1 < -scale) return Decimal.of(0n, scale);
  if (exponent === 0) return Decimal.ONE.round(scale);
  if (base.sign() === 0) return Decimal.of(0n, scale);
  // As many leading digits as the result needs, and some for what is lost on the way.
  const kept = Math.max(1, scale + Math.ceil(size)) + GUARD + 12;
  const isInverse = exponent < 0;
  let left = Math.abs(exponent);
  let square: Lead = shortened({ unscaled: base.unscaled, scale: base.scale }, kept);
  let product: Lead = { unscaled: 1n, scale: 0 };
  while (left > 0) {
    if (left % 2 === 1) product = shortened(times(product, square), kept);
    left = Math.floor(left / 2);
    if (left > 0) square = shortened(times(square, square), kept);
  }
  return isInverse ? inverse(product, scale) : roundedTo(product, scale);
}

/** A number by its leading digits; the scale may be negative. */
interface Lead {
  readonly unscaled: bigint;
  readonly scale: number;
}

function times(a: Lead, b: Lead): Lead {
  return { unscaled: a.unscaled * b.unscaled, scale: a.scale + b.scale };
}

function shortened(value: Lead, digits: number): Lead {
  const size = value.unscaled < 0n ? -value.unscaled : value.unscaled;
  const excess = size.toString().length - digits;
  if (excess <= 0) return value;
  return { unscaled: value.unscaled / powerOfTen(excess), scale: value.scale - excess };
}

function roundedTo({ unscaled, scale }: Lead, wanted: number): Decimal {
  if (scale <= 0) return Decimal.of(unscaled * powerOfTen(-scale)).round(wanted);
  return scale > 16000
    ? Decimal.of(unscaled / powerOfTen(scale - 16000), 16000).round(wanted)
    : Decimal.of(unscaled, scale).round(wanted);
}

function inverse({ unscaled, scale }: Lead, wanted: number): Decimal {
  // 10^scale / unscaled, with digits to round by.
  const shift = scale + wanted + GUARD;
  if (shift < 0) return Decimal.of(0n, wanted);
  return Decimal.of(powerOfTen(shift) / unscaled, wanted + GUARD).round(wanted);
}

function specialPower(base: Decimal, exponent: Decimal): Decimal {
  // 1 to any power is 1, and anything to the power of 0, NaN too.
  if (base.kind === 'nan' || exponent.kind === 'nan') {
    const isOne =
      (exponent.kind === 'finite' && exponent.sign() === 0) ||
      (base.kind === 'finite' && base.compare(Decimal.ONE) === 0);
    return isOne ? Decimal.ONE : Decimal.NAN;
  }
  if (exponent.kind === 'finite') {
    if (exponent.sign() === 0) return Decimal.ONE;
    if (base.kind === '-infinity' && !isWhole(exponent)) {
      throw new DbError(
        '2201F',
        'a negative number raised to a non-integer power yields a complex result',
      );
    }
    if (exponent.sign() < 0) return Decimal.ZERO;
    const isOdd = base.kind === '-infinity' && exponent.trunc().unscaled % 2n !== 0n;
    return isOdd ? Decimal.NEGATIVE_INFINITY : Decimal.INFINITY;
  }
  if (base.kind === 'finite' && base.sign() === 0 && exponent.kind === '-infinity') {
    throw new DbError('2201F', 'zero raised to a negative power is undefined');
  }
  const size = base.abs().compare(Decimal.ONE);
  if (size === 0) return Decimal.ONE;
  const grows = size > 0 === (exponent.kind === 'infinity');
  return grows ? Decimal.INFINITY : Decimal.ZERO;
}
