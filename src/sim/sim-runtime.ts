// The Runtime of one life of a simulated node.

import { startInline } from '../runtime/inline-port.ts';
import type { Faults, Log, LogFields, Runtime } from '../runtime/runtime.ts';
import type { SimDisk } from './disk.ts';
import type { SimNetwork } from './network.ts';
import type { SimClock } from './sim-clock.ts';
import type { Life, World } from './world.ts';

export interface SimNodeParts {
  readonly world: World;
  readonly life: Life;
  readonly clock: SimClock;
  readonly disk: SimDisk;
  readonly network: SimNetwork;
  /** Gets every log line. */
  readonly onLog?: (node: number, level: string, message: string, fields: LogFields) => void;
}

/** Handing over to the event loop takes a little time, never the same. */
const SOON_MICROS_MAX = 20;

export function simRuntime(parts: SimNodeParts): Runtime {
  const { world, life, clock, disk, network } = parts;
  const random = world.random.fork(`node ${life.node} at ${world.nowMicros}`);
  const jitter = random.fork('soon');
  const soon = (run: () => void): void => {
    world.after(1 + jitter.below(SOON_MICROS_MAX), life, run);
  };
  const faults: Faults = {
    sometimes: (point) => world.bugs.has(point) && random.oneIn(2),
    reached: (point) => world.reached(point),
  };
  const tell =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      if (life.alive) parts.onLog?.(life.node, level, message, fields);
    };
  const log: Log = { info: tell('info'), warn: tell('warn'), error: tell('error') };
  return {
    time: clock,
    timers: {
      after: (micros, run) => world.after(Math.max(0, Math.ceil(micros)), life, run),
      soon,
    },
    random,
    files: disk.files(life),
    network: network.attach(life),
    // Messages between threads keep their order, so they must not take random delays one by one.
    threads: {
      start: (entry, data) => startInline((run) => void world.after(1, life, run), entry, data),
    },
    log,
    faults,
  };
}
