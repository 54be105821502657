import { startInline } from '../../src/runtime/inline-port.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';

const soon = (run: () => void): void => void setImmediate(run);

/** Shards on this thread. */
export const inlineRuntime: Pick<Runtime, 'threads' | 'timers'> = {
  timers: {
    soon,
    after: () => {
      throw new Error('a shard has no use for timers');
    },
  },
  threads: { start: (entry, data) => startInline(soon, entry, data) },
};
