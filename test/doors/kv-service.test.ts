import { type Client, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import {
  Operation,
  ScanRequest,
  type Pair,
  type StreamAnswer,
  type StreamOperation,
  StreamRequest,
  StreamResponse,
} from '../../src/doors/kv/generated/kv.ts';
import type { CommitAnswer } from '../../src/ranges/api.ts';
import { KvRig, notLeading, refusalOf } from './kv-fixture.ts';

let rig: KvRig;

beforeEach(async () => {
  rig = await KvRig.start();
});

afterEach(() => rig.stop());

function text({ key, value }: Pair): string {
  return `${fromUtf8(key)}=${fromUtf8(value)}`;
}

describe('unary calls', () => {
  it('put, get and write batches', async () => {
    expect(await rig.put('a', '1')).toEqual({ timestamp: 1 });
    const get = (key: string): Promise<unknown> =>
      rig.call('get', { key: utf8(key), readTimestamp: 0 });
    expect(await get('a')).toEqual({ found: true, value: utf8('1'), timestamp: 1 });
    expect(await get('b')).toMatchObject({ found: false, timestamp: 0 });
    const write = (key: string, value: string, isDelete = false) => ({
      key: utf8(key),
      value: utf8(value),
      delete: isDelete,
    });
    const writes = [write('a', '', true), write('b', '2'), write('c', '3')];
    expect(await rig.call('batch', { writes })).toEqual({ timestamp: 2 });
    expect(await get('a')).toMatchObject({ found: false });
    expect(await get('b')).toMatchObject({ found: true, timestamp: 2 });
  });

  it('carry large values, and many are under way at a time', async () => {
    const channel = rig.channel();
    const value = Buffer.alloc(3_000_000, 'large');
    await rig.put('large', value, channel);
    const found = await rig.call('get', { key: utf8('large'), readTimestamp: 0 }, channel);
    expect(Buffer.compare(found.value, value)).toBe(0);
    rig.table.isHeld = true;
    const puts = Array.from({ length: 300 }, (_, i) => rig.put(`${i}`, 'x', channel));
    await rig.call('get', { key: utf8('large'), readTimestamp: 0 }, channel);
    rig.table.release();
    await Promise.all(puts);
    expect(rig.table.rows.size).toBe(301);
  });

  it('say why not, and who leads when that is known', async () => {
    const whyNot = (): Promise<string> => rig.put('k', 'v').then(() => 'OK', refusalOf);
    rig.table.refusal = { kind: 'notServing', message: 'another node leads' };
    expect(await whyNot()).toBe('UNAVAILABLE');
    rig.leader = '127.0.0.1:7';
    expect(await whyNot()).toBe('FAILED_PRECONDITION 127.0.0.1:7');
    await expect(rig.call('batch', { writes: [] })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
    rig.table.readError = notLeading();
    const get = rig.call('get', { key: utf8('k'), readTimestamp: 0 });
    expect(await get.then(() => 'OK', refusalOf)).toBe('FAILED_PRECONDITION 127.0.0.1:7');
    const others: readonly (readonly [CommitAnswer, string])[] = [
      [{ kind: 'diskFull', message: '' }, 'RESOURCE_EXHAUSTED'],
      [{ kind: 'ambiguous', message: '' }, 'UNKNOWN'],
      [{ kind: 'lockTimeout', key: utf8('k') }, 'ABORTED'],
      [{ kind: 'sessionGone', message: '' }, 'ABORTED'],
    ];
    for (const [refusal, expected] of others) {
      rig.table.refusal = refusal;
      expect(await whyNot()).toBe(expected);
    }
  });

  it('end at their deadlines, and what they did stays done', async () => {
    rig.table.isHeld = true;
    const channel = rig.channel();
    const late = rig.call('put', { key: utf8('k'), value: utf8('v') }, channel, {
      deadline: Date.now() + 50,
    });
    await expect(late).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    rig.table.release();
    await rig.put('other', 'v', channel);
    expect(rig.table.rows.size).toBe(2);
  });
});

describe('a scan', () => {
  const request = { start: utf8(''), end: utf8(''), limit: 0, reverse: false };

  it('streams pairs', async () => {
    for (const key of ['b', 'a', 'c']) await rig.put(key, key.toUpperCase());
    const scan = async (more: object): Promise<string[]> => {
      const pairs: string[] = [];
      for await (const answer of rig.startScan({ ...request, ...more })) {
        pairs.push(...(answer as { pairs: Pair[] }).pairs.map(text));
      }
      return pairs;
    };
    expect(await scan({})).toEqual(['a=A', 'b=B', 'c=C']);
    expect(await scan({ start: utf8('b'), end: utf8('c') })).toEqual(['b=B']);
    expect(await scan({ limit: 2, reverse: true })).toEqual(['c=C', 'b=B']);
  });

  it('says who leads', async () => {
    rig.leader = '127.0.0.1:7';
    rig.table.readError = notLeading();
    const failed = new Promise((resolve) => rig.startScan(request).on('error', resolve));
    expect(refusalOf(await failed)).toBe('FAILED_PRECONDITION 127.0.0.1:7');
  });

  it('reads no faster than its client takes the pairs, and stops when that leaves', async () => {
    const channel = rig.channel();
    for (let i = 0; i < 100; i++) await rig.put(`${i}`, Buffer.alloc(200_000), channel);
    const scan = rig.startRaw('Scan');
    const begun = new Promise<void>((resolve) => {
      scan.onMessage(() => {
        scan.pause();
        resolve();
      });
    });
    scan.write(ScanRequest.encode(request).finish());
    scan.end();
    await begun;
    const reads = await settled(channel);
    expect(reads).toBeLessThan(50);
    scan.fail({ status: 'CANCELLED', reason: 'the client leaves' });
    expect(await settled(channel)).toBeLessThan(reads + 5);
  });
});

/** The number of reads once it stands still: calls of others go to and fro meanwhile. */
async function settled(channel: Client): Promise<number> {
  let before = -1;
  for (;;) {
    for (let i = 0; i < 100; i++) await rig.put('other', 'x', channel);
    if (rig.table.reads === before) return before;
    before = rig.table.reads;
  }
}

function operation(id: number, what: Operation, key: string, value = ''): StreamOperation {
  return { id, operation: what, key: utf8(key), value: utf8(value) };
}

describe('a stream', () => {
  it('carries out what it is sent, and answers with its numbers', async () => {
    const stream = rig.startStream();
    const answers = new Map<number, StreamAnswer>();
    const ended = new Promise((resolve) => stream.on('status', resolve));
    const answered = (count: number): Promise<void> =>
      new Promise((resolve) => {
        stream.on('data', (response: StreamResponse) => {
          for (const answer of response.answers) answers.set(answer.id, answer);
          if (answers.size >= count) resolve();
        });
      });
    stream.write({
      operations: [operation(7, Operation.PUT, 'a', '1'), operation(8, Operation.PUT, 'b', '2')],
    });
    await answered(2);
    stream.write({
      operations: [
        operation(1, Operation.GET, 'a'),
        operation(2, Operation.GET, 'c'),
        operation(3, Operation.DELETE, 'b'),
        operation(4, Operation.UNSPECIFIED, 'b'),
      ],
    });
    await answered(6);
    stream.end();
    expect(await ended).toMatchObject({ code: status.OK });
    expect(answers.get(7)).toMatchObject({ status: 0, timestamp: 1 });
    expect(answers.get(8)).toMatchObject({ status: 0, timestamp: 1 });
    expect(answers.get(1)).toMatchObject({ status: 0, found: true, value: utf8('1') });
    expect(answers.get(2)).toMatchObject({ status: 0, found: false });
    expect(answers.get(3)).toMatchObject({ status: 0, timestamp: 2 });
    expect(answers.get(4)).toMatchObject({ status: status.INVALID_ARGUMENT });
    expect([...rig.table.rows.values()].map(({ value }) => fromUtf8(value))).toEqual(['1']);
  });

  it('says of each operation why not, and who leads', async () => {
    rig.leader = '127.0.0.1:7';
    rig.table.refusal = { kind: 'notServing', message: 'another node leads' };
    rig.table.readError = notLeading();
    const stream = rig.startStream();
    stream.write({
      operations: [operation(1, Operation.PUT, 'a', '1'), operation(2, Operation.GET, 'a')],
    });
    stream.end();
    const answers: StreamAnswer[] = [];
    for await (const response of stream) answers.push(...(response as StreamResponse).answers);
    const refused = { status: status.FAILED_PRECONDITION, leader: '127.0.0.1:7' };
    answers.sort((a, b) => a.id - b.id);
    expect(answers).toMatchObject([
      { id: 1, ...refused },
      { id: 2, ...refused },
    ]);
  });

  it('ends after its last answer, when its client has ended before', async () => {
    rig.table.isHeld = true;
    const stream = rig.startStream();
    const operations = Array.from({ length: 50 }, (_, i) => operation(i, Operation.PUT, `${i}`));
    stream.write({ operations });
    stream.end();
    // The server has heard of both by now, or soon will.
    await rig.call('get', { key: utf8('k'), readTimestamp: 0 });
    rig.table.release();
    const ids: number[] = [];
    for await (const response of stream) {
      ids.push(...(response as StreamResponse).answers.map(({ id }) => id));
    }
    expect(ids.sort((a, b) => a - b)).toEqual(operations.map(({ id }) => id));
  });

  it('is not read from while its client does not read', async () => {
    const channel = rig.channel();
    await rig.put('large', Buffer.alloc(100_000), channel);
    const stream = rig.startRaw('Stream');
    const total = 2000;
    let answers = 0;
    let isFirst = true;
    let goOn = (): void => {};
    const begun = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    stream.onMessage((message) => {
      answers += StreamResponse.decode(message).answers.length;
      if (isFirst) stream.pause();
      isFirst = false;
      goOn();
    });
    const over = new Promise((resolve) => stream.onOver(resolve));
    const operations = Array.from({ length: total }, (_, i) =>
      operation(i, Operation.GET, 'large'),
    );
    stream.write(StreamRequest.encode({ operations }).finish());
    stream.end();
    await begun;
    expect(await settled(channel)).toBeLessThan(total / 2);
    stream.resume();
    expect(await over).toMatchObject({ status: 'OK' });
    expect(answers).toBe(total);
  });

  it('that is cancelled leaves nothing behind', async () => {
    rig.table.isHeld = true;
    const stream = rig.startStream();
    const over = new Promise((resolve) => stream.on('error', resolve));
    stream.write({ operations: [operation(1, Operation.PUT, 'a', '1')] });
    const channel = rig.channel();
    await rig.call('get', { key: utf8('k'), readTimestamp: 0 }, channel);
    stream.cancel();
    expect(await over).toMatchObject({ code: status.CANCELLED });
    rig.table.release();
    await rig.put('b', '2', channel);
  });

  it('ends with an error when what it is sent makes no sense', async () => {
    const call = rig.channel().makeBidiStreamRequest(
      '/meridian.kv.v1.Kv/Stream',
      (bytes: Buffer) => bytes,
      (bytes) => bytes,
    );
    const over = new Promise((resolve) => call.on('error', resolve));
    call.on('data', () => {});
    call.write(Buffer.from([0x0a, 0x7f, 0x01]));
    expect(await over).toMatchObject({ code: status.INTERNAL });
  });
});
