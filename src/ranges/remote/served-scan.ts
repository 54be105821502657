// A scan that runs here for another node: it reads for as long as it has credit.

import type { RangeEndpoint } from '../endpoint.ts';
import { RangeGone } from '../range-gone.ts';
import type { RowScan } from '../requests.ts';
import type { WireAnswer } from './wire-answers.ts';
import type { RangeRequest } from './wire-requests.ts';

export interface ScanReader {
  answer(answer: WireAnswer): void;
  /** Told once, unless the scan is closed. */
  ended(): void;
  failed(error: unknown): WireAnswer;
}

export class ServedScan {
  private readonly endpoint: RangeEndpoint;
  private readonly request: Extract<RangeRequest, { kind: 'scanAt' | 'lockedScan' }>;
  private readonly reader: ScanReader;
  private scan: RowScan | undefined = undefined;
  private credit: number;
  private isClosed = false;
  private wake: (() => void) | undefined = undefined;

  constructor(
    endpoint: RangeEndpoint,
    request: Extract<RangeRequest, { kind: 'scanAt' | 'lockedScan' }>,
    reader: ScanReader,
  ) {
    this.endpoint = endpoint;
    this.request = request;
    this.reader = reader;
    this.credit = request.credit;
  }

  addCredit(batches: number): void {
    this.credit += batches;
    this.wake?.();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.scan?.close();
    this.wake?.();
  }

  /** Never throws. */
  run(): void {
    void this.send().then((last) => {
      if (this.isClosed) return;
      this.isClosed = true;
      this.scan?.close();
      this.reader.answer(last);
      this.reader.ended();
    });
  }

  /** Answers the last message. Never rejects. */
  private async send(): Promise<WireAnswer> {
    try {
      const refusal = await this.open();
      if (refusal !== undefined) return refusal;
      const scan = this.scan as RowScan;
      while (!this.isClosed) {
        if (this.credit === 0) {
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
          this.wake = undefined;
          continue;
        }
        this.credit--;
        const batch = await scan.next();
        if (batch === undefined || this.isClosed) break;
        this.reader.answer({ kind: 'batch', batch });
      }
      return { kind: 'end' };
    } catch (error) {
      return error instanceof RangeGone ? error.refusal : this.reader.failed(error);
    }
  }

  private async open(): Promise<WireAnswer | undefined> {
    const { endpoint, request } = this;
    const { head, scan } = request;
    if (request.kind === 'scanAt') {
      this.scan = endpoint.scanAt(head, scan, request.at);
      return undefined;
    }
    const answer = await endpoint.lockedScan(head, request.txn, request.locking, scan);
    if (answer.kind !== 'scan') return answer;
    this.scan = answer.scan;
    if (this.isClosed) answer.scan.close();
    else this.reader.answer({ kind: 'scan', session: answer.session });
    return undefined;
  }
}
