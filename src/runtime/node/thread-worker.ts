// What a Piscina thread runs: the module that it is told, with a port to its owner.

import type { MessagePort } from 'node:worker_threads';
import type { WorkerMain } from '../runtime.ts';
import { portOver } from './thread-port.ts';

export interface ThreadTask {
  readonly module: string;
  readonly data: unknown;
  readonly channel: MessagePort;
}

export default async function runThread(task: ThreadTask): Promise<void> {
  const { default: main } = (await import(task.module)) as { default: WorkerMain };
  const port = portOver(task.channel, false);
  await main(port, task.data);
  await port.close();
  task.channel.close();
}
