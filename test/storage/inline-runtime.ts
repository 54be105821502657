import { startInline } from '../../src/runtime/inline-port.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';

const soon = (run: () => void): void => void setImmediate(run);

/** Shards on this thread. */
export const inlineRuntime: Pick<Runtime, 'threads' | 'timers'> = {
  timers: {
    soon,
    // Shards pack when nothing is asked of them for a while; here they do when a test says so.
    after: () => ({ [Symbol.dispose]: () => {} }),
  },
  threads: { start: (entry, data) => startInline(soon, entry, data) },
};
