// The real runtime. This folder is where the program meets the world: the clocks, timers, chance, files and threads of
// Node. It decides nothing; everything above it can run in the simulator instead.

import type { NodeId, Runtime } from '../runtime.ts';
import { type ClockSource, parseClockSource } from './clock-source.ts';
import type { DiskQuotaOptions } from './disk-quota.ts';
import { createErrorBound } from './error-bound.ts';
import { createFiles } from './files.ts';
import { createLog, type LogLevel } from './log.ts';
import { busyMicros, monotonicMicros } from './monotonic.ts';
import { createLoneNetwork } from './network.ts';
import { createRandom } from './random.ts';
import { createInlineThreads, createThreads } from './threads.ts';
import { NodeTimers } from './timers.ts';
import { WallClock } from './wall-clock.ts';

export interface NodeRuntimeOptions {
  readonly nodeId?: NodeId;
  /** As after --clock: system, fixed:MICROS, chrony, clockbound. */
  readonly clock?: string | ClockSource;
  readonly logLevel?: LogLevel;
  /** Workers run on threads of their own, or all on this one. */
  readonly threads?: 'real' | 'inline';
  readonly quota?: DiskQuotaOptions;
  /** For tests: which faults happen. */
  readonly sometimes?: (point: string) => boolean;
}

export function createNodeRuntime(options: NodeRuntimeOptions = {}): Runtime {
  const { clock = 'system' } = options;
  const source = typeof clock === 'string' ? parseClockSource(clock) : clock;
  const timers = new NodeTimers();
  const log = createLog(options.logLevel ?? 'info');
  const wall = new WallClock(createErrorBound(source, log));
  return {
    time: { monotonicMicros, wall: () => wall.read(), ready: () => wall.ready(), busyMicros },
    timers,
    random: createRandom(),
    files: createFiles(options.quota),
    network: createLoneNetwork(options.nodeId ?? 1, timers),
    threads: options.threads === 'inline' ? createInlineThreads(timers) : createThreads(log),
    log,
    faults: { sometimes: options.sometimes ?? (() => false), reached: () => {} },
  };
}
