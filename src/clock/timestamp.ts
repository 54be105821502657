// A Timestamp is microseconds since 1970 in one double: a hybrid logical clock in a single number (exact until 2255).

declare const brand: unique symbol;
export type Timestamp = number & { readonly [brand]: 'Timestamp' };

export const MIN_TIMESTAMP: Timestamp = 0 as Timestamp;
/** Above every timestamp that a clock gives: reading at it reads the newest version. */
export const MAX_TIMESTAMP: Timestamp = Number.MAX_SAFE_INTEGER as Timestamp;

export function timestamp(micros: number): Timestamp {
  if (!Number.isSafeInteger(micros) || micros < 0)
    throw new RangeError(`not a timestamp: ${micros}`);
  return micros as Timestamp;
}

export function laterOf(a: Timestamp, b: Timestamp): Timestamp {
  return a > b ? a : b;
}
