// Entries that change what a range is. Only replicas understand them: the shard is given record steps in their place.
// Each begins as all commands do, [u8 version][u8 kind][u53 timestamp]: nothing that was served, assigned or closed before
// it lies above that timestamp.
//   kind 16, split: u53 generation, block at, u32 right range, u53 sticky until, u53 closed, u32 proposing node
//   kind 17, stick: u53 generation, u53 sticky until
//   kind 18, freeze: u53 generation, u32 left range, u53 generation of the left range
//   kind 19, thaw: u53 generation
//   kind 20, merge: u53 generation, u32 right range, u53 generation of the right range
// `generation` is that of the range to be changed: with another one there is nothing to do.

import { AssertionError } from '../base/assert.ts';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { NodeId } from '../runtime/runtime.ts';
import { COMMAND_VERSION } from '../storage/command-format.ts';
import type { RangeId } from '../storage/shard.ts';

const COMMAND_SPLIT = 16;
const COMMAND_STICK = 17;
const COMMAND_FREEZE = 18;
const COMMAND_THAW = 19;
const COMMAND_MERGE = 20;

export interface SplitCommand {
  readonly kind: 'split';
  /** P25: nothing was served or assigned above it, left or right. */
  readonly floor: Timestamp;
  readonly generation: number;
  readonly at: Uint8Array;
  readonly right: RangeId;
  readonly stickyUntil: Timestamp;
  readonly closed: Timestamp;
  readonly proposer: NodeId;
}

export interface StickCommand {
  readonly kind: 'stick';
  readonly floor: Timestamp;
  readonly generation: number;
  readonly stickyUntil: Timestamp;
}

/** P27: nothing is served or written any more, until the left range has decided. */
export interface FreezeCommand {
  readonly kind: 'freeze';
  readonly floor: Timestamp;
  readonly generation: number;
  readonly by: RangeId;
  readonly byGeneration: number;
}

/** The left range has decided against it. */
export interface ThawCommand {
  readonly kind: 'thaw';
  readonly floor: Timestamp;
  readonly generation: number;
}

/** In the left range's log. */
export interface MergeCommand {
  readonly kind: 'merge';
  /** P27: nothing was served above it, left or right. */
  readonly floor: Timestamp;
  readonly generation: number;
  readonly right: RangeId;
  readonly rightGeneration: number;
}

export type ChangeCommand =
  | SplitCommand
  | StickCommand
  | FreezeCommand
  | ThawCommand
  | MergeCommand;

export function isChangeCommand(command: Uint8Array): boolean {
  const kind = command[1] as number;
  return kind >= COMMAND_SPLIT && kind <= COMMAND_MERGE;
}

const KINDS: Readonly<Record<ChangeCommand['kind'], number>> = {
  split: COMMAND_SPLIT,
  stick: COMMAND_STICK,
  freeze: COMMAND_FREEZE,
  thaw: COMMAND_THAW,
  merge: COMMAND_MERGE,
};

export function encodeChangeCommand(command: ChangeCommand): Uint8Array {
  const writer = new ByteWriter(96);
  writer.u8(COMMAND_VERSION);
  writer.u8(KINDS[command.kind]);
  writer.u53(command.floor);
  writer.u53(command.generation);
  switch (command.kind) {
    case 'split':
      writer.block(command.at);
      writer.u32(command.right);
      writer.u53(command.stickyUntil);
      writer.u53(command.closed);
      writer.u32(command.proposer);
      break;
    case 'stick':
      writer.u53(command.stickyUntil);
      break;
    case 'freeze':
      writer.u32(command.by);
      writer.u53(command.byGeneration);
      break;
    case 'merge':
      writer.u32(command.right);
      writer.u53(command.rightGeneration);
      break;
    case 'thaw':
      break;
  }
  return writer.take();
}

export function decodeChangeCommand(command: Uint8Array): ChangeCommand {
  const reader = new ByteReader(command, 1);
  const kind = reader.u8();
  const floor = reader.u53() as Timestamp;
  const generation = reader.u53();
  switch (kind) {
    case COMMAND_SPLIT: {
      const at = reader.block().slice();
      const right = reader.u32();
      const stickyUntil = reader.u53() as Timestamp;
      const closed = reader.u53() as Timestamp;
      const proposer = reader.u32();
      return { kind: 'split', floor, generation, at, right, stickyUntil, closed, proposer };
    }
    case COMMAND_STICK:
      return { kind: 'stick', floor, generation, stickyUntil: reader.u53() as Timestamp };
    case COMMAND_FREEZE: {
      const by = reader.u32();
      return { kind: 'freeze', floor, generation, by, byGeneration: reader.u53() };
    }
    case COMMAND_THAW:
      return { kind: 'thaw', floor, generation };
    case COMMAND_MERGE: {
      const right = reader.u32();
      return { kind: 'merge', floor, generation, right, rightGeneration: reader.u53() };
    }
    default:
      throw new AssertionError(`a change of unknown kind ${kind}`);
  }
}
