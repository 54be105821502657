// What a node tells all others once a second: what it has and does, and what it has just given away. Small, and whole
// each time, so that nothing depends on the one before it.

import { fromUtf8, utf8 } from '../../base/bytes.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { NodeId } from '../../runtime/runtime.ts';

const VERSION = 1;

export interface NodeReport {
  readonly node: NodeId;
  /** Another one after each start of the node. */
  readonly bootId: number;
  readonly sequence: number;
  readonly isDraining: boolean;
  /** Microseconds of work that it can do in a second; 0: it has not been busy enough to know. */
  readonly capacity: number;
  readonly leadLoad: number;
  readonly followLoad: number;
  readonly leases: number;
  readonly replicas: number;
  /** On its disk, beyond what it keeps free. */
  readonly roomBytes: number;
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  /** Leases that it has just given away: their load shows at the other end only little by little. */
  readonly given: readonly GivenLoad[];
  /** The timestamp of the oldest snapshot that a statement or transaction there reads; left out: there is none. */
  readonly oldestRead?: Timestamp;
  /** Bytes of the ranges that it leads, by the nodes that have replicas of them, or are being sent one. */
  readonly holds: readonly (readonly [NodeId, number])[];
  /** How long ago it heard from each other node. */
  readonly heard: readonly (readonly [NodeId, number])[];
}

export interface GivenLoad {
  readonly to: NodeId;
  readonly load: number;
  readonly ageMicros: number;
}

export function encodeReport(report: NodeReport): Uint8Array {
  return utf8(JSON.stringify({ version: VERSION, ...report }));
}

/** Undefined: another version wrote it, or nobody. */
export function decodeReport(bytes: Uint8Array): NodeReport | undefined {
  try {
    const found = JSON.parse(fromUtf8(bytes)) as NodeReport & { readonly version?: number };
    if (found.version !== VERSION || !Number.isSafeInteger(found.node)) return undefined;
    return found;
  } catch {
    return undefined;
  }
}
