// What aggregates keep of the values that they have seen. Each can be written as a few columns (a partial state), and
// merged from them exactly: shards aggregate their own rows, one place merges.

import { compareDatums, type Datum, Decimal, normalizeInt8 } from './datum.ts';
import { addInt8 } from './function-math.ts';
import { type RowAccess } from './row-codec.ts';
import { type ColumnType, columnType, FLOAT8, INT8, NUMERIC, TEXT } from './types.ts';

export interface Accumulator {
  /** NULLs are values to it. */
  readonly takesNulls?: boolean;
  /** A non-null value (and what string_agg puts before it). */
  add(value: Datum, delimiter: Datum): void;
  /** The first `count` of what one numeric column has, none null, as add() would take them one by one. */
  addNumbers?(values: Float64Array, count: number): void;
  readonly partialTypes: readonly ColumnType[];
  writePartial(out: Datum[], at: number): void;
  mergePartial(row: RowAccess, at: number): void;
  finish(): Datum;
}

const INT8_ONLY = [columnType(INT8)];
const NUMERIC_ONLY = [columnType(NUMERIC)];
const COUNT_AND_NUMERIC = [columnType(INT8), columnType(NUMERIC)];
const COUNT_AND_FLOAT = [columnType(INT8), columnType(FLOAT8)];
const TWO_TEXTS = [columnType(TEXT), columnType(TEXT)];

export class Count implements Accumulator {
  readonly partialTypes: readonly ColumnType[] = INT8_ONLY;
  private count = 0;

  add(): void {
    this.count++;
  }

  addNumbers(_values: Float64Array, count: number): void {
    this.count += count;
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.count;
  }

  mergePartial(row: RowAccess, at: number): void {
    this.count += row.datum(at) as number;
  }

  finish(): Datum {
    return this.count;
  }
}

/** An exact sum of integers: a number until it could be wrong, with a bigint for what outgrew it. */
class IntegerSum {
  private small = 0;
  private large = 0n;

  add(value: number | bigint): void {
    if (typeof value === 'bigint') {
      this.large += value;
      return;
    }
    const sum = this.small + value;
    if (Number.isSafeInteger(sum)) {
      this.small = sum;
    } else {
      this.large += BigInt(this.small) + BigInt(value);
      this.small = 0;
    }
  }

  addNumbers(values: Float64Array, count: number): void {
    let sum = this.small;
    for (let i = 0; i < count; i++) {
      const next = sum + (values[i] as number);
      if (next > Number.MAX_SAFE_INTEGER || next < -Number.MAX_SAFE_INTEGER) {
        this.small = sum;
        this.add(values[i] as number);
        sum = this.small;
      } else {
        sum = next;
      }
    }
    this.small = sum;
  }

  total(): bigint {
    return this.large + BigInt(this.small);
  }

  get isSmall(): boolean {
    return this.large === 0n;
  }

  get smallTotal(): number {
    return this.small;
  }
}

/** sum(int2), sum(int4): an int8. */
export class SumToInt8 implements Accumulator {
  readonly partialTypes: readonly ColumnType[] = INT8_ONLY;
  private readonly sum = new IntegerSum();
  private seen = false;

  add(value: Datum): void {
    this.seen = true;
    this.sum.add(value as number | bigint);
  }

  addNumbers(values: Float64Array, count: number): void {
    if (count > 0) this.seen = true;
    this.sum.addNumbers(values, count);
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.finish();
  }

  mergePartial(row: RowAccess, at: number): void {
    const value = row.datum(at);
    if (value !== null) this.add(value);
  }

  finish(): Datum {
    if (!this.seen) return null;
    return this.sum.isSmall ? this.sum.smallTotal : addInt8(normalizeInt8(this.sum.total()), 0);
  }
}

/** An exact sum of integers or numerics. */
class ExactSum {
  private readonly integers = new IntegerSum();
  private decimals: Decimal | undefined;
  count = 0;

  add(value: Datum): void {
    this.count++;
    this.addUncounted(value);
  }

  addNumbers(values: Float64Array, count: number): void {
    this.count += count;
    this.integers.addNumbers(values, count);
  }

  addUncounted(value: Datum): void {
    if (value instanceof Decimal) {
      this.decimals = this.decimals === undefined ? value : this.decimals.add(value);
    } else {
      this.integers.add(value as number | bigint);
    }
  }

  total(): Decimal {
    if (this.decimals === undefined) return Decimal.fromInteger(this.integers.total());
    return this.decimals.add(Decimal.fromInteger(this.integers.total()));
  }
}

/** sum(int8), sum(numeric). */
export class SumToNumeric implements Accumulator {
  readonly partialTypes: readonly ColumnType[] = NUMERIC_ONLY;
  private readonly sum = new ExactSum();

  add(value: Datum): void {
    this.sum.add(value);
  }

  addNumbers(values: Float64Array, count: number): void {
    this.sum.addNumbers(values, count);
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.finish();
  }

  mergePartial(row: RowAccess, at: number): void {
    const value = row.datum(at);
    if (value !== null) this.sum.add(value);
  }

  finish(): Datum {
    return this.sum.count === 0 ? null : this.sum.total();
  }
}

/** avg of integers and numerics. */
export class AverageNumeric implements Accumulator {
  readonly partialTypes: readonly ColumnType[] = COUNT_AND_NUMERIC;
  private readonly sum = new ExactSum();

  add(value: Datum): void {
    this.sum.add(value);
  }

  addNumbers(values: Float64Array, count: number): void {
    this.sum.addNumbers(values, count);
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.sum.count;
    out[at + 1] = this.sum.total();
  }

  mergePartial(row: RowAccess, at: number): void {
    const count = row.datum(at) as number;
    if (count === 0) return;
    this.sum.count += count;
    this.sum.addUncounted(row.datum(at + 1));
  }

  finish(): Datum {
    return this.sum.count === 0 ? null : this.sum.total().div(Decimal.fromInteger(this.sum.count));
  }
}

/** sum and avg of floats. The order of rows may show in the last digits, as everywhere. */
export class FloatSum implements Accumulator {
  readonly partialTypes: readonly ColumnType[] = COUNT_AND_FLOAT;
  private readonly result: 'sum' | 'sum4' | 'avg';
  private count = 0;
  private sum = 0;

  constructor(result: 'sum' | 'sum4' | 'avg') {
    this.result = result;
  }

  add(value: Datum): void {
    this.count++;
    this.sum += value as number;
    if (this.result === 'sum4') this.sum = Math.fround(this.sum);
  }

  addNumbers(values: Float64Array, count: number): void {
    this.count += count;
    let { sum } = this;
    if (this.result === 'sum4') {
      for (let i = 0; i < count; i++) sum = Math.fround(sum + (values[i] as number));
    } else {
      for (let i = 0; i < count; i++) sum += values[i] as number;
    }
    this.sum = sum;
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.count;
    out[at + 1] = this.sum;
  }

  mergePartial(row: RowAccess, at: number): void {
    const count = row.datum(at) as number;
    if (count === 0) return;
    this.add(row.datum(at + 1));
    this.count += count - 1;
  }

  finish(): Datum {
    if (this.count === 0) return null;
    return this.result === 'avg' ? this.sum / this.count : this.sum;
  }
}

/** min and max. */
export class Extreme implements Accumulator {
  readonly partialTypes: readonly ColumnType[];
  private readonly oid: number;
  private readonly sign: 1 | -1;
  private value: Datum = null;

  constructor(type: ColumnType, sign: 1 | -1) {
    this.partialTypes = [type];
    this.oid = type.oid;
    this.sign = sign;
  }

  addNumbers(values: Float64Array, count: number): void {
    if (count === 0) return;
    let best = values[0] as number;
    if (this.sign > 0) {
      for (let i = 1; i < count; i++) if ((values[i] as number) > best) best = values[i] as number;
    } else {
      for (let i = 1; i < count; i++) if ((values[i] as number) < best) best = values[i] as number;
    }
    this.add(best);
  }

  add(value: Datum): void {
    if (this.value === null || compareDatums(this.oid, value, this.value) * this.sign > 0) {
      this.value = value;
    }
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.value;
  }

  mergePartial(row: RowAccess, at: number): void {
    const value = row.datum(at);
    if (value !== null) this.add(value);
  }

  finish(): Datum {
    return this.value;
  }
}

/** bool_and ends up at the first false, bool_or at the first true. */
export class BoolFold implements Accumulator {
  readonly partialTypes: readonly ColumnType[];
  private readonly decisive: boolean;
  private value: boolean | null = null;

  constructor(type: ColumnType, decisive: boolean) {
    this.partialTypes = [type];
    this.decisive = decisive;
  }

  add(value: Datum): void {
    this.value = value === this.decisive ? this.decisive : (this.value ?? !this.decisive);
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.value;
  }

  mergePartial(row: RowAccess, at: number): void {
    const value = row.datum(at);
    if (value !== null) this.add(value);
  }

  finish(): Datum {
    return this.value;
  }
}

/** string_agg: the first value's delimiter is dropped, unless another partial state comes before it. */
export class StringJoin implements Accumulator {
  readonly partialTypes: readonly ColumnType[] = TWO_TEXTS;
  private first: Datum = null;
  private joined: string | null = null;

  add(value: Datum, delimiter: Datum): void {
    if (this.joined === null) {
      this.first = delimiter;
      this.joined = value as string;
    } else {
      this.joined += ((delimiter as string | null) ?? '') + (value as string);
    }
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.first;
    out[at + 1] = this.joined;
  }

  mergePartial(row: RowAccess, at: number): void {
    const value = row.datum(at + 1);
    if (value !== null) this.add(value, row.datum(at));
  }

  finish(): Datum {
    return this.joined;
  }
}
