// Arrays for rows. A fresh `new Array(n)` changes its representation as numbers, fractions and strings are put into it,
// each time anew; a copy of an array of nulls holds anything from the start. (An INSERT with current_timestamp took
// 5.8 µs with the one and 2.5 µs with the other.)

import type { Datum } from '../../rows/datum.ts';

const blanks: (readonly Datum[])[] = [];

/** `width` NULLs. */
export function blankRow(width: number): Datum[] {
  let blank = blanks[width];
  if (blank === undefined) {
    blank = Array.from({ length: width }, () => null);
    blanks[width] = blank;
  }
  return blank.slice();
}
