// How far back a range can be read (P24): up to a threshold in its state, above which all that readers may ask for is kept.
// The leader raises it by an entry of the log, every replica takes it from there, and only then lets its shard collect
// what nobody may ask for any more (node/ranges/collection.ts). Who reads asks before and after whether its time is above
// it (bounds.ts).
//   kind 21, collect: [u8 version][u8 kind][u53 threshold][u53 generation with which the range got its span]

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import { COMMAND_VERSION } from '../storage/command-format.ts';
import { STATE_RECORD } from '../storage/range-records.ts';
import type { Bounds } from './bounds.ts';
import { encodeState } from './range-state.ts';
import { RecordSteps } from './record-steps.ts';
import type { Proposer } from './replica-parts.ts';

const COMMAND_COLLECT = 21;

export function isCollect(command: Uint8Array): boolean {
  return command[1] === COMMAND_COLLECT;
}

export class PastLimit {
  private readonly bounds: Bounds;
  private readonly proposer: Proposer;
  private readonly whyNotLeading: () => string | undefined;
  private isProposed = false;

  constructor(bounds: Bounds, proposer: Proposer, whyNotLeading: () => string | undefined) {
    this.bounds = bounds;
    this.proposer = proposer;
    this.whyNotLeading = whyNotLeading;
  }

  get threshold(): Timestamp {
    return this.bounds.state.gcThreshold;
  }

  /** Throws DbError when what was there at t is not kept any more. */
  demand(t: Timestamp): void {
    this.bounds.demandKept(t);
  }

  /** Of the leader: nothing at or below it will be read. False: not now. */
  raise(threshold: Timestamp): Promise<boolean> {
    const { bounds } = this;
    // P27: nothing comes after a freeze, of which all replicas must have the same.
    const mayNot = this.isProposed || bounds.isBarred || this.whyNotLeading() !== undefined;
    if (mayNot || threshold <= this.threshold) return Promise.resolve(false);
    const writer = new ByteWriter(18);
    writer.u8(COMMAND_VERSION);
    writer.u8(COMMAND_COLLECT);
    writer.u53(threshold);
    writer.u53(bounds.state.spanGeneration);
    this.isProposed = true;
    return new Promise((resolve) => {
      this.proposer.submit(writer.take(), (outcome) => {
        this.isProposed = false;
        resolve(outcome.kind === 'committed');
      });
    });
  }

  /** What the shard is to make of the entry; undefined: nothing comes of it. */
  committed(command: Uint8Array): Uint8Array | undefined {
    const reader = new ByteReader(command, 2);
    const gcThreshold = reader.u53() as Timestamp;
    const spanGeneration = reader.u53();
    const { state } = this.bounds;
    // Another span may have to keep more of its past.
    const isSame = state.spanGeneration === spanGeneration && state.frozen === undefined;
    if (!isSame || gcThreshold <= state.gcThreshold) return undefined;
    const raised = { ...state, gcThreshold };
    const steps = new RecordSteps();
    steps.put(state.descriptor.range, STATE_RECORD, encodeState(raised));
    this.bounds.change(raised);
    return steps.command();
  }
}
