// What two nodes tell each other about the groups that are asleep between them (pairs.ts). A heartbeat goes from a
// leader's node, an acknowledgement comes back; each repeats whatever the other has not confirmed yet, numbered, so that
// frames may be lost, repeated and reordered.
//
//   heartbeat        [u8 1][u53 leader's epoch][u53 follower's epoch][u53 stamp][u53 closed][known][through][first][count]
//                    requests
//     request        [u8 1 sleep][group][term][leader][commit] or [u8 2 wake][group]
//   acknowledgement  [u8 2][u53 leader's epoch][u53 follower's epoch][u53 stamp][f64 earliest][f64 latest]
//                    [version][done][first][count] changes
//     change         [u8 kind][group][request]
//   what has no width here is a varint

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { GroupId, ReplicaId } from './types.ts';

/** A leader's group that is idle asks its followers to sleep. */
export interface SleepOffer {
  readonly group: GroupId;
  readonly term: number;
  readonly leader: ReplicaId;
  /** Everything up to here is committed, and it is all that the leader's log holds. */
  readonly commit: number;
}

export type PairRequest =
  | ({ readonly kind: 'sleep' } & SleepOffer)
  | { readonly kind: 'wake'; readonly group: GroupId };

/** What has become of a request for a group: of the one that put it to sleep, or of one that was refused. */
export interface PairChange {
  readonly kind: 'registered' | 'left' | 'refused';
  readonly group: GroupId;
  readonly request: number;
}

interface Envelope {
  readonly leaderEpoch: number;
  /** 0: not known. */
  readonly followerEpoch: number;
  readonly stamp: number;
}

export interface PairHeartbeat extends Envelope {
  readonly kind: 'heartbeat';
  /** Changes up to this version are known. */
  readonly known: number;
  /** P23: closed for the groups that are asleep once requests up to `through` are done, the last that there is. */
  readonly closed: Timestamp;
  readonly through: number;
  /** The number of the first request; the others follow it. */
  readonly first: number;
  readonly requests: readonly PairRequest[];
}

export interface PairAcknowledgement extends Envelope {
  readonly kind: 'acknowledgement';
  /** Of the follower's clock, when this left. */
  readonly earliestMicros: number;
  readonly latestMicros: number;
  /** Of what is registered. */
  readonly version: number;
  /** Requests up to this one are done. */
  readonly done: number;
  /** The version that the first change made; the others follow it. */
  readonly first: number;
  readonly changes: readonly PairChange[];
}

export type PairFrame = PairHeartbeat | PairAcknowledgement;

/** Of requests, and of changes: a frame stays far below a megabyte. */
export const ITEMS_PER_FRAME_MAX = 8192;

const HEARTBEAT = 1;
const ACKNOWLEDGEMENT = 2;
const SLEEP = 1;
const WAKE = 2;
const CHANGES: readonly PairChange['kind'][] = ['registered', 'left', 'refused'];

const writer = new ByteWriter();

export function encodePairFrame(frame: PairFrame): Uint8Array {
  writer.reset();
  writer.u8(frame.kind === 'heartbeat' ? HEARTBEAT : ACKNOWLEDGEMENT);
  writer.u53(frame.leaderEpoch);
  writer.u53(frame.followerEpoch);
  writer.u53(frame.stamp);
  if (frame.kind === 'heartbeat') {
    writer.u53(frame.closed);
    writer.varint(frame.known);
    writer.varint(frame.through);
    writer.varint(frame.first);
    writer.varint(frame.requests.length);
    for (const request of frame.requests) writeRequest(request);
  } else {
    writer.f64(frame.earliestMicros);
    writer.f64(frame.latestMicros);
    writer.varint(frame.version);
    writer.varint(frame.done);
    writer.varint(frame.first);
    writer.varint(frame.changes.length);
    for (const { kind, group, request } of frame.changes) {
      writer.u8(CHANGES.indexOf(kind));
      writer.varint(group);
      writer.varint(request);
    }
  }
  return writer.take();
}

function writeRequest(request: PairRequest): void {
  writer.u8(request.kind === 'sleep' ? SLEEP : WAKE);
  writer.varint(request.group);
  if (request.kind === 'wake') return;
  writer.varint(request.term);
  writer.varint(request.leader);
  writer.varint(request.commit);
}

/** Throws RangeError when it is none. */
export function decodePairFrame(bytes: Uint8Array): PairFrame {
  const reader = new ByteReader(bytes);
  const kind = reader.u8();
  const envelope: Envelope = {
    leaderEpoch: reader.u53(),
    followerEpoch: reader.u53(),
    stamp: reader.u53(),
  };
  switch (kind) {
    case HEARTBEAT: {
      const closed = reader.u53() as Timestamp;
      const known = reader.varint();
      const through = reader.varint();
      const first = reader.varint();
      return {
        ...envelope,
        kind: 'heartbeat',
        closed,
        known,
        through,
        first,
        requests: readMany(reader, readRequest),
      };
    }
    case ACKNOWLEDGEMENT:
      return {
        ...envelope,
        kind: 'acknowledgement',
        earliestMicros: reader.f64(),
        latestMicros: reader.f64(),
        version: reader.varint(),
        done: reader.varint(),
        first: reader.varint(),
        changes: readMany(reader, readChange),
      };
    default:
      throw new RangeError(`no pair frame of kind ${kind}`);
  }
}

function readMany<T>(reader: ByteReader, read: (reader: ByteReader) => T): readonly T[] {
  const count = reader.varint();
  if (count > reader.remaining) throw new RangeError(`${count} items in ${reader.remaining} bytes`);
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read(reader));
  return items;
}

function readRequest(reader: ByteReader): PairRequest {
  const kind = reader.u8();
  const group = reader.varint();
  if (kind === WAKE) return { kind: 'wake', group };
  if (kind !== SLEEP) throw new RangeError(`no request of kind ${kind}`);
  const term = reader.varint();
  const leader = reader.varint();
  return { kind: 'sleep', group, term, leader, commit: reader.varint() };
}

function readChange(reader: ByteReader): PairChange {
  const kind = CHANGES[reader.u8()];
  if (kind === undefined) throw new RangeError('no change of this kind');
  const group = reader.varint();
  return { kind, group, request: reader.varint() };
}
