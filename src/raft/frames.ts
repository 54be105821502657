// Raft messages as bytes: those of all groups from one node to another share a frame, and the entries of appends travel
// in it. Every message passes through here, so nothing is allocated on the way out, and on the way in only what the core
// is given.
//
//   0 u8  version
//   1 u8  class: messages of replicas (here), the heartbeat of a pair of nodes (pair-frames.ts), or what another room
//         has to say to the same room elsewhere
//   2 u32 bytes of all entries' data
//   6 messages
//
// A message: u8 kind, with a flag in its highest bit; group, from, to, term, then the fields of its kind.

import { ByteReader, ByteWriter, EMPTY_BYTES } from '../base/bytes.ts';
import { unreachable } from '../base/assert.ts';
import type { IncomingAppend, Message, MessageKind, OutgoingMessage } from './messages.ts';
import type { Entry, GroupId } from './types.ts';

const VERSION = 1;
const REPLICAS = 1;
const PAIR = 2;
const HEADER_BYTES = 6;

const KINDS: readonly MessageKind[] = [
  'append',
  'appendAnswer',
  'heartbeat',
  'heartbeatAnswer',
  'preVote',
  'vote',
  'preVoteAnswer',
  'voteAnswer',
  'snapshot',
  'timeoutNow',
  'readIndex',
  'readIndexAnswer',
  'inquiry',
  'removed',
];
const KIND_CODES: ReadonlyMap<MessageKind, number> = new Map(KINDS.map((kind, i) => [kind, i]));
const FLAG = 0x80;

const NO_ENTRIES: readonly Entry[] = [];

/** Gathers the messages to one node. */
export class FrameWriter {
  private writer = new ByteWriter(1024);
  private entryBytes = 0;

  constructor() {
    this.writer.length = HEADER_BYTES;
  }

  get bytes(): number {
    return this.writer.length;
  }

  get isEmpty(): boolean {
    return this.writer.length === HEADER_BYTES;
  }

  /** `entries`: those that an append names. */
  add(group: GroupId, message: OutgoingMessage, entries: readonly Entry[] = NO_ENTRIES): void {
    const { writer } = this;
    const code = KIND_CODES.get(message.kind) as number;
    writer.u8(isFlagged(message) ? code | FLAG : code);
    writer.varint(group);
    writer.varint(message.from);
    writer.varint(message.to);
    writer.varint(message.term);
    switch (message.kind) {
      case 'append':
        writer.varint(message.previousIndex);
        writer.varint(message.previousTerm);
        writer.varint(message.commit);
        writer.u53(message.stamp);
        this.addEntries(entries);
        break;
      case 'appendAnswer':
        writer.varint(message.index);
        writer.varint(message.hintIndex);
        writer.varint(message.hintTerm);
        writer.u53(message.stamp);
        break;
      case 'heartbeat':
        writer.varint(message.commit);
        writer.varint(message.readContext);
        writer.u53(message.stamp);
        break;
      case 'heartbeatAnswer':
        writer.varint(message.readContext);
        writer.u53(message.stamp);
        break;
      case 'preVote':
      case 'vote':
        writer.varint(message.lastIndex);
        writer.varint(message.lastTerm);
        writer.varint(message.commit);
        writer.varint(message.commitTerm);
        break;
      case 'snapshot':
        writer.varint(message.index);
        writer.varint(message.indexTerm);
        writer.u53(message.stamp);
        break;
      case 'readIndex':
        writer.varint(message.context);
        break;
      case 'readIndexAnswer':
        writer.varint(message.context);
        writer.varint(message.index);
        break;
      case 'preVoteAnswer':
      case 'voteAnswer':
        writer.varint(message.commit);
        writer.varint(message.commitTerm);
        break;
      case 'timeoutNow':
      case 'inquiry':
      case 'removed':
        break;
      default:
        unreachable(message);
    }
  }

  private addEntries(entries: readonly Entry[]): void {
    const { writer } = this;
    writer.varint(entries.length);
    for (let i = 0; i < entries.length; i++) {
      const { term, kind, data } = entries[i] as Entry;
      writer.varint(term);
      // The index follows from the position.
      writer.varint(data.length * 2 + (kind === 'change' ? 1 : 0));
      writer.raw(data);
      this.entryBytes += data.length;
    }
  }

  /** The frame; what is added next begins another. */
  take(): Uint8Array {
    const { writer } = this;
    writer.bytes[0] = VERSION;
    writer.bytes[1] = REPLICAS;
    writer.view.setUint32(2, this.entryBytes, true);
    const frame = writer.take();
    if (writer.bytes.length > KEPT_BYTES_MAX) this.writer = new ByteWriter(1024);
    this.writer.length = HEADER_BYTES;
    this.entryBytes = 0;
    return frame;
  }
}

/** A buffer that one large entry has made is given back. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

function isFlagged(message: OutgoingMessage): boolean {
  switch (message.kind) {
    case 'appendAnswer':
      return message.rejected;
    case 'preVote':
    case 'vote':
      return message.isTransfer;
    case 'preVoteAnswer':
    case 'voteAnswer':
      return message.granted;
    default:
      return false;
  }
}

/** Rooms that send frames of their own: they may be lost, as all frames, and are nobody's promise. */
export type FrameRoom = 'closed' | 'status';

const ROOM_CODES: Readonly<Record<FrameRoom, number>> = { closed: 16, status: 17 };
const ROOMS: ReadonlyMap<number, FrameRoom> = new Map(
  Object.entries(ROOM_CODES).map(([room, code]) => [code, room as FrameRoom]),
);

export function pairFrame(body: Uint8Array): Uint8Array {
  return frameOf(PAIR, body);
}

export function roomFrame(room: FrameRoom, body: Uint8Array): Uint8Array {
  return frameOf(ROOM_CODES[room], body);
}

function frameOf(code: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(2 + body.length);
  frame[0] = VERSION;
  frame[1] = code;
  frame.set(body, 2);
  return frame;
}

/** What a frame is; `unknown`: another version wrote it, or nobody. */
export type FrameClass = 'replicas' | 'pair' | FrameRoom | 'unknown';

export function classOf(frame: Uint8Array): FrameClass {
  if (frame.length < 2 || frame[0] !== VERSION) return 'unknown';
  const code = frame[1] as number;
  if (code === PAIR) return 'pair';
  if (code !== REPLICAS) return ROOMS.get(code) ?? 'unknown';
  return frame.length >= HEADER_BYTES ? 'replicas' : 'unknown';
}

/** Of a frame that is of no replica. */
export function bodyOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(2);
}

/** Entries whose data is less of a frame than this are copied out of it: the log's cache would keep all of the frame
 * for their sake. */
const VIEWED_SHARE = 1 / 4;

/** Reads the messages of a frame one by one; running off its end throws RangeError. The frame must stay as it is:
 * entries are views into it, unless they are a small part of it. */
export class FrameReader {
  private readonly reader: ByteReader;
  private readonly copies: boolean;
  /** Of the message that next() gave. */
  group: GroupId = 0;

  constructor(frame: Uint8Array) {
    this.reader = new ByteReader(frame, 2);
    this.copies = this.reader.u32() < frame.length * VIEWED_SHARE;
  }

  /** Undefined after the last. */
  next(): Message | undefined {
    const { reader } = this;
    if (reader.remaining === 0) return undefined;
    const code = reader.u8();
    const isSet = code >= FLAG;
    const kind = KINDS[isSet ? code - FLAG : code];
    this.group = reader.varint();
    const from = reader.varint();
    const to = reader.varint();
    const term = reader.varint();
    switch (kind) {
      case 'append':
        return this.append(from, to, term);
      case 'appendAnswer':
        return {
          kind,
          from,
          to,
          term,
          index: reader.varint(),
          rejected: isSet,
          hintIndex: reader.varint(),
          hintTerm: reader.varint(),
          stamp: reader.u53(),
        };
      case 'heartbeat':
        return {
          kind,
          from,
          to,
          term,
          commit: reader.varint(),
          readContext: reader.varint(),
          stamp: reader.u53(),
        };
      case 'heartbeatAnswer':
        return { kind, from, to, term, readContext: reader.varint(), stamp: reader.u53() };
      case 'preVote':
      case 'vote': {
        const lastIndex = reader.varint();
        const lastTerm = reader.varint();
        const commit = reader.varint();
        const commitTerm = reader.varint();
        const isTransfer = isSet;
        return { kind, from, to, term, lastIndex, lastTerm, commit, commitTerm, isTransfer };
      }
      case 'preVoteAnswer':
      case 'voteAnswer': {
        const commit = reader.varint();
        return { kind, from, to, term, granted: isSet, commit, commitTerm: reader.varint() };
      }
      case 'snapshot': {
        const index = reader.varint();
        const indexTerm = reader.varint();
        return { kind, from, to, term, index, indexTerm, stamp: reader.u53() };
      }
      case 'timeoutNow':
      case 'inquiry':
      case 'removed':
        return { kind, from, to, term };
      case 'readIndex':
        return { kind, from, to, term, context: reader.varint() };
      case 'readIndexAnswer': {
        const context = reader.varint();
        return { kind, from, to, term, context, index: reader.varint() };
      }
      case undefined:
        throw new RangeError(`no message of kind ${code}`);
      default:
        return unreachable(kind);
    }
  }

  private append(from: number, to: number, term: number): IncomingAppend {
    const { reader } = this;
    const previousIndex = reader.varint();
    const previousTerm = reader.varint();
    const commit = reader.varint();
    const stamp = reader.u53();
    const count = reader.varint();
    // Each takes two bytes at least.
    if (count * 2 > reader.remaining) throw new RangeError(`${count} entries in a short frame`);
    const entries: Entry[] = [];
    for (let i = 0; i < count; i++) {
      const entryTerm = reader.varint();
      const code = reader.varint();
      const isChange = code % 2 === 1;
      entries.push({
        index: previousIndex + 1 + i,
        term: entryTerm,
        kind: isChange ? 'change' : 'command',
        data: this.data(isChange ? (code - 1) / 2 : code / 2),
      });
    }
    return { kind: 'append', from, to, term, previousIndex, previousTerm, commit, stamp, entries };
  }

  private data(length: number): Uint8Array {
    if (length === 0) return EMPTY_BYTES;
    const view = this.reader.raw(length);
    return this.copies ? view.slice() : view;
  }
}
