// A scan that runs on another node. It sends as many batches as it has credit for, so that what waits here is bounded
// however slowly it is read.

import { DbError } from '../../base/errors.ts';
import { RangeGone } from '../range-gone.ts';
import type { RowScan, ScanBatch } from '../requests.ts';
import { lostOnTheWay, refusalOf, unexpected } from './remote-answers.ts';
import type { Asker, RemoteLink } from './remote-link.ts';
import type { WireAnswer } from './wire-answers.ts';

export const SCAN_CREDIT = 3;

interface Waiting {
  readonly resolve: (batch: ScanBatch | undefined) => void;
  readonly reject: (error: Error) => void;
}

export class RemoteScan implements RowScan, Asker {
  private readonly link: RemoteLink;
  private readonly batches: ScanBatch[] = [];
  private readonly waiting: Waiting[] = [];
  private state: 'running' | 'ended' | 'closed' = 'running';
  private error: Error | undefined = undefined;
  private id = 0;

  constructor(link: RemoteLink) {
    this.link = link;
  }

  /** `id`: of its request. */
  begun(id: number): void {
    this.id = id;
  }

  next(): Promise<ScanBatch | undefined> {
    if (this.state === 'closed') return Promise.resolve(undefined);
    const batch = this.batches.shift();
    if (batch !== undefined) {
      if (this.state === 'running') this.link.tell(this.id, { kind: 'credit', batches: 1 });
      return Promise.resolve(batch);
    }
    if (this.error !== undefined) return Promise.reject(this.error);
    if (this.state === 'ended') return Promise.resolve(undefined);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  close(): void {
    if (this.state === 'running') {
      this.link.forget(this.id);
      this.link.tell(this.id, { kind: 'close' });
    }
    this.state = 'closed';
    this.batches.length = 0;
    for (const { resolve } of this.waiting.splice(0)) resolve(undefined);
  }

  take(answer: WireAnswer): boolean {
    switch (answer.kind) {
      case 'batch':
        this.batches.push(answer.batch);
        break;
      case 'end':
        this.end(undefined);
        break;
      case 'failed':
        this.end(new DbError(answer.code, answer.message));
        break;
      default: {
        const refusal = refusalOf(answer);
        this.end(refusal === undefined ? unexpected(answer, 'a scan') : new RangeGone(refusal));
      }
    }
    this.wake();
    return this.state !== 'running';
  }

  lost(_isSent: boolean, message: string): void {
    this.end(new RangeGone(lostOnTheWay(message)));
    this.wake();
  }

  private end(error: Error | undefined): void {
    if (this.state !== 'running') return;
    this.state = 'ended';
    this.error = error;
  }

  private wake(): void {
    while (this.waiting.length > 0 && (this.batches.length > 0 || this.state !== 'running')) {
      const { resolve, reject } = this.waiting.shift() as Waiting;
      this.next().then(resolve, reject);
    }
  }
}
