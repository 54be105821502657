// Packs log entries as a leader would (src/ranges/command.ts is beyond what these tests may know).

import { ByteWriter, utf8 } from '../../src/base/bytes.ts';
import { MAX_TIMESTAMP } from '../../src/clock/timestamp.ts';
import {
  COMMAND_CLEAR,
  COMMAND_EMPTY,
  COMMAND_RECORDS,
  COMMAND_VERSION,
  COMMAND_WRITES,
  RECORD_APPLIED,
  RECORD_COPY,
  RECORD_DELETE,
  RECORD_FORGET,
  RECORD_PUT,
  WRITE_DELETE,
  WRITE_NEW,
  WRITE_PUT,
} from '../../src/storage/command-format.ts';

export interface TestWrite {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

export type TestCommand =
  | {
      readonly kind: 'writes';
      readonly at: number;
      readonly writes: readonly TestWrite[];
      /** Left out: outside any transaction. */
      readonly deadline?: number;
      /** The leader takes the keys for new. */
      readonly isNew?: boolean;
    }
  | {
      readonly kind: 'clear';
      readonly at: number;
      readonly start: Uint8Array;
      readonly end: Uint8Array | undefined;
    }
  | {
      readonly kind: 'records';
      readonly steps: readonly TestStep[];
      /** Of the same entry. */
      readonly writes?: TestCommand;
    }
  | { readonly kind: 'empty' };

export type TestStep =
  | { readonly op: 'put'; readonly range: number; readonly name: string; readonly value: string }
  | { readonly op: 'delete'; readonly range: number; readonly name: string }
  | { readonly op: 'applied'; readonly range: number; readonly index: number }
  | { readonly op: 'copy'; readonly range: number; readonly name: string; readonly to: number }
  | { readonly op: 'forget'; readonly range: number };

const STEPS = {
  put: RECORD_PUT,
  delete: RECORD_DELETE,
  applied: RECORD_APPLIED,
  copy: RECORD_COPY,
  forget: RECORD_FORGET,
};

export function packCommand(command: TestCommand): Uint8Array {
  const out = new ByteWriter();
  out.u8(COMMAND_VERSION);
  switch (command.kind) {
    case 'empty':
      out.u8(COMMAND_EMPTY);
      break;
    case 'writes':
      out.u8(COMMAND_WRITES);
      out.u53(command.at);
      out.raw(new Uint8Array(16).fill(command.at));
      out.u53(command.deadline ?? MAX_TIMESTAMP);
      out.u32(command.writes.length);
      for (const { key, value } of command.writes) {
        out.u8(value === undefined ? WRITE_DELETE : command.isNew === true ? WRITE_NEW : WRITE_PUT);
        out.block(key);
        if (value !== undefined) out.block(value);
      }
      break;
    case 'records':
      out.u8(COMMAND_RECORDS);
      out.u32(command.steps.length);
      for (const step of command.steps) {
        out.u8(STEPS[step.op]);
        out.u32(step.range);
        out.text('name' in step ? step.name : '');
        if (step.op === 'put') out.block(utf8(step.value));
        else if (step.op === 'applied') out.u53(step.index);
        else if (step.op === 'copy') out.u32(step.to);
      }
      if (command.writes !== undefined) out.raw(packCommand(command.writes));
      break;
    case 'clear':
      out.u8(COMMAND_CLEAR);
      out.u53(command.at);
      out.block(command.start);
      out.block(command.end ?? new Uint8Array(0));
      break;
  }
  return out.take();
}

export function packEntries(firstIndex: number, commands: readonly TestCommand[]): Uint8Array {
  const out = new ByteWriter();
  commands.forEach((command, i) => {
    out.u53(firstIndex + i);
    out.block(packCommand(command));
  });
  return out.take();
}

/** A self-delimiting row key of an index: its id, the text, a zero byte. */
export function rowKey(index: number, name: string): Uint8Array {
  const out = new ByteWriter();
  out.u32be(index);
  out.raw(utf8(name));
  out.u8(0);
  return out.take();
}

export function put(at: number, key: Uint8Array, value: string): TestCommand {
  return { kind: 'writes', at, writes: [{ key, value: utf8(value) }] };
}

export function remove(at: number, key: Uint8Array): TestCommand {
  return { kind: 'writes', at, writes: [{ key, value: undefined }] };
}
