// Numbers as decimal digits, straight into bytes: no string, no object. Each function answers where it ended; the caller
// has made room (bench: range-scan, where most of the time goes into the text of rows).

/** What a number takes at most. */
export const NUMBER_BYTES_MAX = 32;

const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const TEN_THOUSAND = 10_000;
const HUNDRED_MILLION = 100_000_000;

/** 00 to 99. */
const PAIRS: Uint8Array = Uint8Array.from({ length: 200 }, (_, i) =>
  i % 2 === 0 ? ZERO + Math.floor(i / 20) : ZERO + ((i >> 1) % 10),
);

export function put2(out: Uint8Array, at: number, value: number): number {
  out[at] = PAIRS[value * 2] as number;
  out[at + 1] = PAIRS[value * 2 + 1] as number;
  return at + 2;
}

export function put4(out: Uint8Array, at: number, value: number): number {
  const high = (value / 100) | 0;
  put2(out, at, high);
  return put2(out, at + 2, value - high * 100);
}

function put8(out: Uint8Array, at: number, value: number): number {
  const high = (value / TEN_THOUSAND) | 0;
  put4(out, at, high);
  return put4(out, at + 4, value - high * TEN_THOUSAND);
}

/** Below 10,000, without zeros in front. */
function putSmall(out: Uint8Array, at: number, value: number): number {
  if (value < 10) {
    out[at] = ZERO + value;
    return at + 1;
  }
  if (value < 100) return put2(out, at, value);
  const high = (value / 100) | 0;
  if (value >= 1000) return put2(out, put2(out, at, high), value - high * 100);
  out[at] = ZERO + high;
  return put2(out, at + 1, value - high * 100);
}

/** Below 10^8, without zeros in front. */
function putMiddle(out: Uint8Array, at: number, value: number): number {
  if (value < TEN_THOUSAND) return putSmall(out, at, value);
  const high = (value / TEN_THOUSAND) | 0;
  return put4(out, putSmall(out, at, high), value - high * TEN_THOUSAND);
}

/** A safe integer. */
export function putInteger(out: Uint8Array, at: number, value: number): number {
  let rest = value;
  let start = at;
  if (rest < 0) {
    out[start++] = MINUS;
    rest = -rest;
  }
  if (rest < HUNDRED_MILLION) return putMiddle(out, start, rest | 0);
  const high = Math.floor(rest / HUNDRED_MILLION);
  const low = (rest - high * HUNDRED_MILLION) | 0;
  if (high < HUNDRED_MILLION) return put8(out, putMiddle(out, start, high | 0), low);
  const top = (high / HUNDRED_MILLION) | 0;
  return put8(out, put8(out, putSmall(out, start, top), (high - top * HUNDRED_MILLION) | 0), low);
}

/** 10^i, exact, and its two halves of 26 bits for exact products (Dekker). */
const POWERS: Float64Array = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
const SPLITTER = 134_217_729;
const POWER_HIGHS: Float64Array = POWERS.map((power) => {
  const spread = power * SPLITTER;
  return spread - (spread - power);
});
const POWER_LOWS: Float64Array = POWERS.map((power, i) => power - (POWER_HIGHS[i] as number));
/** Where plain notation begins, as formatFloat8() has it. */
const PLAIN_MIN = 1e-4;
const PLAIN_MAX = 1e15;
/** Binary exponents of what lies between. */
const EXPONENT_MIN = -14;
const EXPONENT_MAX = 49;
const EXPONENTS = EXPONENT_MAX - EXPONENT_MIN + 1;
/** Half the distance of two floats of a binary exponent; and the least decimal exponent among these. */
const HALF_STEPS: Float64Array = Float64Array.from(
  { length: EXPONENTS },
  (_, i) => 2 ** (EXPONENT_MIN + i - 53),
);
const TENS_EXPONENTS: Int8Array = Int8Array.from({ length: EXPONENTS }, (_, i) =>
  Math.floor(Math.log10(2 ** (EXPONENT_MIN + i)) + 1e-9),
);
/** What is this near to an edge is left to the platform: sums below are exact to a millionth of it. */
const DOUBT = 1e-6;

const float = new Float64Array(1);
const words = new Int32Array(float.buffer);

/**
 * A float8 as formatFloat8() writes it: the fewest digits that read back as the same, of these the nearest. -1: it is
 * none of those that are quick to write; nothing that counts was put.
 *
 * The value is scaled, exactly, to seventeen digits before the point. Whatever lies within half a step of it reads back as
 * it; half a step is less than 12 then, so that at most one multiple of 100 does, and else one of 10 or the next integer.
 */
export function putFloat8(out: Uint8Array, at: number, value: number): number {
  const size = value < 0 ? -value : value;
  if (size === 0 && 1 / value > 0) return putSmall(out, at, 0);
  if (!(size >= PLAIN_MIN && size < PLAIN_MAX)) return -1;
  if (size === Math.floor(size)) return putInteger(out, at, value);
  float[0] = size;
  const high = words[1] as number;
  // Below a power of two floats lie closer together than above it.
  if ((high & 0xfffff) === 0 && words[0] === 0) return -1;
  const row = (high >>> 20) - 1023 - EXPONENT_MIN;
  let exponent = TENS_EXPONENTS[row] as number;
  let scale = 16 - exponent;
  if (size * (POWERS[scale] as number) >= 1e17) {
    exponent++;
    scale--;
  }
  // scaled + error is size times 10^scale, exactly.
  const power = POWERS[scale] as number;
  const scaled = size * power;
  const spread = size * SPLITTER;
  const sizeHigh = spread - (spread - size);
  const sizeLow = size - sizeHigh;
  const powerHigh = POWER_HIGHS[scale] as number;
  const powerLow = POWER_LOWS[scale] as number;
  const error =
    sizeHigh * powerHigh - scaled + sizeHigh * powerLow + sizeLow * powerHigh + sizeLow * powerLow;
  const step = (HALF_STEPS[row] as number) * power;
  let front = Math.floor(scaled / HUNDRED_MILLION);
  const rest = scaled - front * HUNDRED_MILLION + error;
  let digits = nearestWithin(rest, step);
  if (digits !== digits) return -1;
  if (digits >= HUNDRED_MILLION) {
    digits -= HUNDRED_MILLION;
    front++;
  } else if (digits < 0) {
    digits += HUNDRED_MILLION;
    front--;
  }
  if (front < HUNDRED_MILLION || front >= 10 * HUNDRED_MILLION) return -1;
  let start = at;
  if (value < 0) out[start++] = MINUS;
  return putDigits(out, start, front | 0, digits | 0, exponent);
}

/** The shortest decimal within `step` of `rest`, of those the nearest; NaN where that is in doubt. */
function nearestWithin(rest: number, step: number): number {
  const hundreds = Math.floor(rest / 100 + 0.5) * 100;
  const toHundreds = Math.abs(rest - hundreds);
  if (toHundreds < step - DOUBT) return hundreds;
  if (toHundreds < step + DOUBT) return Number.NaN;
  const tens = Math.floor(rest / 10 + 0.5) * 10;
  const toTens = Math.abs(rest - tens);
  if (toTens < step - DOUBT) return toTens < 5 - DOUBT ? tens : Number.NaN;
  if (toTens < step + DOUBT) return Number.NaN;
  const ones = Math.floor(rest + 0.5);
  return Math.abs(rest - ones) < 0.5 - DOUBT ? ones : Number.NaN;
}

/** Nine digits and eight, the point after the first times 10^exponent, without zeros at the end. */
function putDigits(
  out: Uint8Array,
  at: number,
  front: number,
  back: number,
  exponent: number,
): number {
  let start = at;
  if (exponent < 0) {
    out[start++] = ZERO;
    out[start++] = POINT;
    for (let left = -1 - exponent; left > 0; left--) out[start++] = ZERO;
  } else start++;
  const top = (front / HUNDRED_MILLION) | 0;
  out[start] = ZERO + top;
  put8(out, start + 1, front - top * HUNDRED_MILLION);
  let end = put8(out, start + 9, back);
  if (exponent >= 0) {
    const point = at + exponent + 1;
    for (let i = at; i < point; i++) out[i] = out[i + 1] as number;
    out[point] = POINT;
  }
  while (out[end - 1] === ZERO) end--;
  return end;
}
