// How configurations, changes and hard states are written down. Each begins where its record or entry says that it
// does; the log's format version covers them.

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { assert, AssertionError, unreachable } from '../base/assert.ts';
import type { Change, ChangeStep, Configuration } from './configuration.ts';
import type { HardState, ReplicaId } from './types.ts';

const STEP_KINDS: readonly ChangeStep['kind'][] = ['addVoter', 'addLearner', 'remove', 'update'];

const SIMPLE = 0;
const ENTER_JOINT = 1;
const LEAVE_JOINT = 2;

export function encodeChange(change: Change): Uint8Array {
  const writer = new ByteWriter(64);
  switch (change.kind) {
    case 'simple':
      writer.u8(SIMPLE);
      writeSteps(writer, change.steps);
      break;
    case 'enterJoint':
      writer.u8(ENTER_JOINT);
      writer.u8(change.autoLeave ? 1 : 0);
      writeSteps(writer, change.steps);
      break;
    case 'leaveJoint':
      writer.u8(LEAVE_JOINT);
      break;
    default:
      unreachable(change);
  }
  return writer.take();
}

export function decodeChange(bytes: Uint8Array): Change {
  const reader = new ByteReader(bytes);
  const kind = reader.u8();
  switch (kind) {
    case SIMPLE:
      return { kind: 'simple', steps: readSteps(reader) };
    case ENTER_JOINT:
      return { kind: 'enterJoint', autoLeave: reader.u8() === 1, steps: readSteps(reader) };
    case LEAVE_JOINT:
      return { kind: 'leaveJoint' };
    default:
      throw new AssertionError(`a membership change of unknown kind ${kind}`);
  }
}

function writeSteps(writer: ByteWriter, steps: readonly ChangeStep[]): void {
  writer.u32(steps.length);
  for (const { kind, replica } of steps) {
    writer.u8(STEP_KINDS.indexOf(kind));
    writer.u53(replica);
  }
}

function readSteps(reader: ByteReader): ChangeStep[] {
  const count = reader.u32();
  const steps: ChangeStep[] = [];
  for (let i = 0; i < count; i++) {
    const kind = STEP_KINDS[reader.u8()];
    assert(kind !== undefined, 'a membership change has an unknown step');
    steps.push({ kind, replica: reader.u53() });
  }
  return steps;
}

export function writeConfiguration(writer: ByteWriter, configuration: Configuration): void {
  writeReplicas(writer, configuration.voters);
  writeReplicas(writer, configuration.outgoing);
  writeReplicas(writer, configuration.learners);
  writeReplicas(writer, configuration.learnersNext);
  writer.u8(configuration.autoLeave ? 1 : 0);
}

export function readConfiguration(reader: ByteReader): Configuration {
  return {
    voters: readReplicas(reader),
    outgoing: readReplicas(reader),
    learners: readReplicas(reader),
    learnersNext: readReplicas(reader),
    autoLeave: reader.u8() === 1,
  };
}

function writeReplicas(writer: ByteWriter, replicas: readonly ReplicaId[]): void {
  writer.u32(replicas.length);
  for (const replica of replicas) writer.u53(replica);
}

function readReplicas(reader: ByteReader): ReplicaId[] {
  const count = reader.u32();
  const replicas: ReplicaId[] = [];
  for (let i = 0; i < count; i++) replicas.push(reader.u53());
  return replicas;
}

/** The term is not among them: it stands in the record's own header. */
export function writeHardState(writer: ByteWriter, state: HardState): void {
  writer.u53(state.vote);
  writer.u53(state.commit);
}

export function readHardState(reader: ByteReader, term: number): HardState {
  return { term, vote: reader.u53(), commit: reader.u53() };
}
