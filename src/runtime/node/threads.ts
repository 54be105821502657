// Threads through Piscina: each worker is one long task on a pool of one thread, so that nothing queues behind it.

import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { startInline } from '../inline-port.ts';
import type { Log, Port, Threads, Timers, WorkerEntry } from '../runtime.ts';
import { portOver } from './thread-port.ts';
import type { ThreadTask } from './thread-worker.ts';

export function createInlineThreads(timers: Timers): Threads {
  return { start: (entry, data) => startInline((run) => timers.soon(run), entry, data) };
}

export function createThreads(log: Log): Threads {
  return { start: (entry, data) => startThread(log, entry, data) };
}

function startThread(log: Log, entry: WorkerEntry, data: unknown): Port {
  const pool = new Piscina({
    filename: new URL('./thread-worker.js', import.meta.url).href,
    minThreads: 1,
    maxThreads: 1,
    idleTimeout: Number.POSITIVE_INFINITY,
    // Waiting for the next task would block the thread; there is none.
    atomics: 'disabled',
    // Threads move batches of short-lived buffers: a small nursery would be collected for every few of them.
    resourceLimits: { maxYoungGenerationSizeMb: 48 },
  });
  // Errors of the task reject run(); these are of a thread that is being thrown away.
  pool.on('error', (error) => log.warn('thread failed', { thread: entry.name, error: `${error}` }));

  const { port1, port2 } = new MessageChannel();
  const end = portOver(port1, true);
  const task: ThreadTask = { module: entry.module.href, data, channel: port2 };
  const ended = (async (): Promise<void> => {
    try {
      await pool.run(task, { transferList: [port2] });
      // The last messages come through another channel than the end of the task.
      await end.close();
    } catch (error) {
      end.fail(error instanceof Error ? error : new Error(String(error)));
    }
    port1.close();
    await pool.destroy();
  })();

  return {
    post: (message) => end.post(message),
    onMessage: (handler) => end.onMessage(handler),
    onClose: (handler) => end.onClose(handler),
    async close() {
      await end.close();
      await ended;
    },
  };
}
