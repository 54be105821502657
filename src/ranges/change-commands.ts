// Entries that change what a range is. Only replicas understand them: the shard is given record steps in their place.
// Each begins as all commands do, [u8 version][u8 kind][u53 timestamp]: nothing that was served, assigned or closed before
// it lies above that timestamp.
//   kind 16, split: u53 generation, block at, u32 right range, u53 sticky until, u53 closed, u32 proposing node
//   kind 17, stick: u53 generation, u53 sticky until
// `generation` is that of the range to be changed: with another one there is nothing to do.

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { NodeId } from '../runtime/runtime.ts';
import { COMMAND_VERSION } from '../storage/command-format.ts';
import type { RangeId } from '../storage/shard.ts';

const COMMAND_SPLIT = 16;
const COMMAND_STICK = 17;

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

export type ChangeCommand = SplitCommand | StickCommand;

export function isChangeCommand(command: Uint8Array): boolean {
  const kind = command[1] as number;
  return kind >= COMMAND_SPLIT && kind <= COMMAND_STICK;
}

export function encodeChangeCommand(command: ChangeCommand): Uint8Array {
  const writer = new ByteWriter(96);
  writer.u8(COMMAND_VERSION);
  switch (command.kind) {
    case 'split':
      writer.u8(COMMAND_SPLIT);
      writer.u53(command.floor);
      writer.u53(command.generation);
      writer.block(command.at);
      writer.u32(command.right);
      writer.u53(command.stickyUntil);
      writer.u53(command.closed);
      writer.u32(command.proposer);
      break;
    case 'stick':
      writer.u8(COMMAND_STICK);
      writer.u53(command.floor);
      writer.u53(command.generation);
      writer.u53(command.stickyUntil);
      break;
  }
  return writer.take();
}

export function decodeChangeCommand(command: Uint8Array): ChangeCommand {
  const reader = new ByteReader(command, 1);
  const kind = reader.u8();
  const floor = reader.u53() as Timestamp;
  const generation = reader.u53();
  if (kind === COMMAND_STICK) {
    return { kind: 'stick', floor, generation, stickyUntil: reader.u53() as Timestamp };
  }
  const at = reader.block().slice();
  const right = reader.u32();
  const stickyUntil = reader.u53() as Timestamp;
  const closed = reader.u53() as Timestamp;
  const proposer = reader.u32();
  return { kind: 'split', floor, generation, at, right, stickyUntil, closed, proposer };
}
