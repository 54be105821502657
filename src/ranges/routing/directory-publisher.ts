// Tells the directory what this node's leaders have made of their ranges, until it knows (P28): after each change, and
// again when a range has another leader, who can't know how far the one before has come.

import type { Log, Runtime } from '../../runtime/runtime.ts';
import type { RangeId } from '../../storage/shard.ts';
import type { RangeDescriptor } from '../descriptor.ts';
import { pause } from '../within.ts';

const AT_ONCE_MAX = 4;
/** To lose to other publishers, or to find the directory's leader gone, is nothing to speak of before this. */
const FAILURES_UNSAID = 2;
const RETRY_MICROS_MIN = 50_000;
const RETRY_MICROS_MAX = 5_000_000;

export interface PublisherParts {
  readonly runtime: Pick<Runtime, 'timers' | 'random'> & { readonly log: Log };
  /** Rejects: to be tried again. */
  publish(descriptor: RangeDescriptor): Promise<'published' | 'overtaken'>;
}

export class DirectoryPublisher {
  private readonly parts: PublisherParts;
  /** What is to be published: of each range the latest. */
  private readonly wanted = new Map<RangeId, RangeDescriptor>();
  private readonly confirmed = new Map<RangeId, number>();
  /** Being published, or waiting to be tried again. */
  private readonly busy = new Set<RangeId>();
  private isStopped = false;

  constructor(parts: PublisherParts) {
    this.parts = parts;
  }

  /** Of a range that is led here. */
  publish(descriptor: RangeDescriptor): void {
    // Ranges change until they are closed, which is after this: nobody would take it out again.
    if (this.isStopped) return;
    const { range, generation } = descriptor;
    const known = this.wanted.get(range);
    if (known !== undefined && known.generation > generation) return;
    if (this.isConfirmed(range, generation)) return;
    this.wanted.set(range, descriptor);
    this.startNext();
  }

  /** It is led elsewhere, or is no more. */
  forget(range: RangeId): void {
    this.wanted.delete(range);
    this.confirmed.delete(range);
  }

  /** Whether the directory has the range as of this generation, or a later one. */
  isConfirmed(range: RangeId, generation: number): boolean {
    return (this.confirmed.get(range) ?? 0) >= generation;
  }

  get waiting(): number {
    return this.wanted.size;
  }

  stop(): void {
    this.isStopped = true;
    this.wanted.clear();
  }

  private startNext(): void {
    for (const range of this.wanted.keys()) {
      if (this.busy.size >= AT_ONCE_MAX) return;
      if (this.busy.has(range)) continue;
      this.busy.add(range);
      void this.run(range).finally(() => {
        this.busy.delete(range);
        this.startNext();
      });
    }
  }

  /** Until it is published, or not wanted any more. Never rejects. */
  private async run(range: RangeId): Promise<void> {
    let micros = RETRY_MICROS_MIN;
    for (let failures = 1; ; failures++) {
      const descriptor = this.wanted.get(range);
      if (descriptor === undefined || this.isStopped) return;
      const { runtime } = this.parts;
      try {
        const outcome = await this.parts.publish(descriptor);
        if (this.wanted.get(range) !== descriptor) continue;
        this.wanted.delete(range);
        if (outcome === 'published') this.confirmed.set(range, descriptor.generation);
        return;
      } catch (error) {
        if (failures > FAILURES_UNSAID) {
          runtime.log.warn('the directory was not told of a range', {
            range,
            generation: descriptor.generation,
            failures,
            error: String(error),
          });
        }
      }
      await pause(runtime.timers, micros / 2 + runtime.random.below(micros / 2));
      micros = Math.min(micros * 2, RETRY_MICROS_MAX);
    }
  }
}
