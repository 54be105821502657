// The monotonic clock of this process, and how busy its main thread was by it.

import { performance } from 'node:perf_hooks';

export function monotonicMicros(): number {
  return performance.now() * 1000;
}

/** What the machine's CLOCK_MONOTONIC says beyond monotonicMicros(), which counts the same from the start of the process.
 * Never too little: what was said by the machine's clock then seems older than it is, and not younger. */
export function machineOffsetMicros(): number {
  const before = monotonicMicros();
  return Number(process.hrtime.bigint()) / 1000 - before;
}

export function busyMicros(): number {
  return performance.eventLoopUtilization().active * 1000;
}
