// stddev, variance, correlation and regression, and the bitwise aggregates. Of exact numbers the sums are exact and the
// answer has as many digits as PostgreSQL's numeric.c gives it; of floats they follow Youngs and Cramer, as float.c does.

import type { Accumulator } from './accumulators.ts';
import { type Datum, Decimal, normalizeInt8 } from './datum.ts';
import type { RowAccess } from './row-codec.ts';
import { type ColumnType, columnType, FLOAT8, INT8, NUMERIC } from './types.ts';

export type Spread = 'stddev_samp' | 'stddev_pop' | 'var_samp' | 'var_pop';

const EXACT = [columnType(INT8), columnType(NUMERIC), columnType(NUMERIC)];
const THREE = [columnType(INT8), columnType(FLOAT8), columnType(FLOAT8)];
const SIX = [columnType(INT8), ...Array.from({ length: 5 }, () => columnType(FLOAT8))];

function isSample(spread: Spread): boolean {
  return spread.endsWith('_samp');
}

/** Of integers and numeric. */
export class ExactSpread implements Accumulator {
  readonly partialTypes: readonly ColumnType[] = EXACT;
  private readonly spread: Spread;
  private count = 0;
  private sum = Decimal.ZERO;
  private squares = Decimal.ZERO;

  constructor(spread: Spread) {
    this.spread = spread;
  }

  add(value: Datum): void {
    const decimal =
      value instanceof Decimal ? value : Decimal.fromInteger(value as number | bigint);
    this.count++;
    this.sum = this.sum.add(decimal);
    this.squares = this.squares.add(decimal.mul(decimal));
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.count;
    out[at + 1] = this.sum;
    out[at + 2] = this.squares;
  }

  mergePartial(row: RowAccess, at: number): void {
    this.count += row.datum(at) as number;
    this.sum = this.sum.add(row.datum(at + 1) as Decimal);
    this.squares = this.squares.add(row.datum(at + 2) as Decimal);
  }

  finish(): Datum {
    const { count, spread } = this;
    const sample = isSample(spread);
    if (count === 0 || (sample && count === 1)) return null;
    if (!this.sum.isFinite || !this.squares.isFinite) return Decimal.NAN;
    const n = Decimal.fromInteger(count);
    const difference = n.mul(this.squares).sub(this.sum.mul(this.sum));
    if (difference.sign() <= 0) return Decimal.ZERO;
    const variance = difference.div(n.mul(Decimal.fromInteger(sample ? count - 1 : count)));
    return spread.startsWith('var') ? variance : variance.sqrt(variance.scale);
  }
}

export class FloatSpread implements Accumulator {
  readonly partialTypes: readonly ColumnType[] = THREE;
  private readonly spread: Spread;
  private count = 0;
  private sum = 0;
  /** Sum of squares of the distances from the mean. */
  private squares = 0;

  constructor(spread: Spread) {
    this.spread = spread;
  }

  add(datum: Datum): void {
    const value = datum as number;
    this.count++;
    this.sum += value;
    if (this.count > 1) {
      const distance = value * this.count - this.sum;
      this.squares += (distance * distance) / (this.count * (this.count - 1));
      if (!Number.isFinite(this.squares)) this.squares = Number.NaN;
    } else if (!Number.isFinite(value)) {
      this.squares = Number.NaN;
    }
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.count;
    out[at + 1] = this.sum;
    out[at + 2] = this.squares;
  }

  mergePartial(row: RowAccess, at: number): void {
    const count = row.datum(at) as number;
    if (count === 0) return;
    const sum = row.datum(at + 1) as number;
    const squares = row.datum(at + 2) as number;
    if (this.count > 0) {
      const distance = this.sum / this.count - sum / count;
      this.squares += squares + (this.count * count * distance * distance) / (this.count + count);
    } else {
      this.squares = squares;
    }
    this.count += count;
    this.sum += sum;
  }

  finish(): Datum {
    const { count, spread } = this;
    const sample = isSample(spread);
    if (count === 0 || (sample && count === 1)) return null;
    const variance = this.squares / (sample ? count - 1 : count);
    return spread.startsWith('var') ? variance : Math.sqrt(variance);
  }
}

export type Regression =
  | 'corr'
  | 'covar_pop'
  | 'covar_samp'
  | 'regr_avgx'
  | 'regr_avgy'
  | 'regr_count'
  | 'regr_intercept'
  | 'regr_r2'
  | 'regr_slope'
  | 'regr_sxx'
  | 'regr_sxy'
  | 'regr_syy';

/** Of pairs of floats, Y first; pairs with a NULL don't count. */
export class RegressionSums implements Accumulator {
  readonly partialTypes: readonly ColumnType[] = SIX;
  private readonly kind: Regression;
  private n = 0;
  private sx = 0;
  private sxx = 0;
  private sy = 0;
  private syy = 0;
  private sxy = 0;

  constructor(kind: Regression) {
    this.kind = kind;
  }

  add(yDatum: Datum, xDatum: Datum): void {
    if (xDatum === null) return;
    const y = yDatum as number;
    const x = xDatum as number;
    this.n++;
    this.sx += x;
    this.sy += y;
    if (this.n > 1) {
      const dx = x * this.n - this.sx;
      const dy = y * this.n - this.sy;
      const scale = 1 / (this.n * (this.n - 1));
      this.sxx += dx * dx * scale;
      this.syy += dy * dy * scale;
      this.sxy += dx * dy * scale;
      if (!Number.isFinite(this.sxx)) this.sxx = Number.NaN;
      if (!Number.isFinite(this.syy)) this.syy = Number.NaN;
      if (!Number.isFinite(this.sxy)) this.sxy = Number.NaN;
    } else {
      if (!Number.isFinite(x)) this.sxx = this.sxy = Number.NaN;
      if (!Number.isFinite(y)) this.syy = this.sxy = Number.NaN;
    }
  }

  writePartial(out: Datum[], at: number): void {
    [this.n, this.sx, this.sxx, this.sy, this.syy, this.sxy].forEach((value, i) => {
      out[at + i] = value;
    });
  }

  mergePartial(row: RowAccess, at: number): void {
    const [n, sx, sxx, sy, syy, sxy] = Array.from(
      { length: 6 },
      (_, i) => row.datum(at + i) as number,
    ) as [number, number, number, number, number, number];
    if (n === 0) return;
    if (this.n > 0) {
      const dx = this.sx / this.n - sx / n;
      const dy = this.sy / this.n - sy / n;
      const weight = (this.n * n) / (this.n + n);
      this.sxx += sxx + weight * dx * dx;
      this.syy += syy + weight * dy * dy;
      this.sxy += sxy + weight * dx * dy;
    } else {
      this.sxx = sxx;
      this.syy = syy;
      this.sxy = sxy;
    }
    this.n += n;
    this.sx += sx;
    this.sy += sy;
  }

  finish(): Datum {
    const { n, sx, sxx, sy, syy, sxy } = this;
    if (this.kind === 'regr_count') return n;
    if (n === 0) return null;
    switch (this.kind) {
      case 'corr':
        return sxx === 0 || syy === 0 ? null : sxy / Math.sqrt(sxx * syy);
      case 'covar_pop':
        return sxy / n;
      case 'covar_samp':
        return n < 2 ? null : sxy / (n - 1);
      case 'regr_avgx':
        return sx / n;
      case 'regr_avgy':
        return sy / n;
      case 'regr_intercept':
        return sxx === 0 ? null : (sy - (sx * sxy) / sxx) / n;
      case 'regr_r2':
        if (sxx === 0) return null;
        return syy === 0 ? 1 : (sxy * sxy) / (sxx * syy);
      case 'regr_slope':
        return sxx === 0 ? null : sxy / sxx;
      case 'regr_sxx':
        return sxx;
      case 'regr_sxy':
        return sxy;
      case 'regr_syy':
        return syy;
    }
  }
}

export type BitFold = 'bit_and' | 'bit_or' | 'bit_xor';

export class BitSums implements Accumulator {
  readonly partialTypes: readonly ColumnType[];
  private readonly kind: BitFold;
  private bits: bigint | undefined;

  constructor(kind: BitFold, type: ColumnType) {
    this.kind = kind;
    this.partialTypes = [type];
  }

  add(value: Datum): void {
    const next = BigInt(value as number | bigint);
    if (this.bits === undefined) this.bits = next;
    else if (this.kind === 'bit_and') this.bits &= next;
    else if (this.kind === 'bit_or') this.bits |= next;
    else this.bits ^= next;
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.finish();
  }

  mergePartial(row: RowAccess, at: number): void {
    const value = row.datum(at);
    if (value !== null) this.add(value);
  }

  finish(): Datum {
    return this.bits === undefined ? null : normalizeInt8(this.bits);
  }
}
