// The owner's end of what a shard sends in pieces: scans and snapshots. The shard sends as much as the reader has given
// credit for, and what has come waits here.

import { assert } from '../base/assert.ts';

export interface Pending {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface StreamLink {
  /** The shard may send one more. */
  readonly credit: () => void;
  /** Nothing more is wanted. */
  readonly close: () => void;
}

export class ClientStream<T> {
  /** Undefined: the shard was not asked, since it is closed. */
  private link: StreamLink | undefined;
  private readonly items: T[] = [];
  private waiter: Pending | undefined;
  private state: 'running' | 'ended' | 'closed' = 'running';
  private error: Error | undefined;

  open(link: StreamLink): void {
    this.link = link;
  }

  next(): Promise<T | undefined> {
    assert(this.waiter === undefined, 'one next() of a stream at a time');
    if (this.state === 'closed') return Promise.resolve(undefined);
    const item = this.items.shift();
    if (item !== undefined) {
      if (this.state === 'running') this.link?.credit();
      return Promise.resolve(item);
    }
    if (this.error !== undefined) return Promise.reject(this.error);
    if (this.state === 'ended') return Promise.resolve(undefined);
    return new Promise<T | undefined>((resolve, reject) => {
      this.waiter = { resolve: resolve as (answer: unknown) => void, reject };
    });
  }

  close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.items.length = 0;
    this.link?.close();
    this.waiter?.resolve(undefined);
    this.waiter = undefined;
  }

  /** Undefined: a piece that is of no use to the reader, who is not woken for it. */
  receive(item: T | undefined, isLast: boolean): void {
    if (isLast) this.state = 'ended';
    if (item !== undefined) this.items.push(item);
    else if (!isLast) this.link?.credit();
    if (item !== undefined || isLast) this.wake();
  }

  fail(error: Error): void {
    if (this.state === 'closed') return;
    this.state = 'ended';
    this.error = error;
    this.wake();
  }

  /** Its shard closes: what its reader has seen is not all, and must not pass for it. */
  abandon(error: Error): void {
    this.items.length = 0;
    this.fail(error);
    this.link?.close();
  }

  private wake(): void {
    const { waiter } = this;
    if (waiter === undefined) return;
    this.waiter = undefined;
    const item = this.items.shift();
    if (item !== undefined && this.state === 'running') this.link?.credit();
    if (item === undefined && this.error !== undefined) waiter.reject(this.error);
    else waiter.resolve(item);
  }
}
