import { afterEach, expect, it } from 'vitest';
import type { ByteStream } from '../../src/runtime/runtime.ts';
import { join, startNode, stopNodes, type TestNode } from './nodes.ts';

afterEach(stopNodes);

interface Accepted {
  readonly from: number;
  readonly purpose: string;
  readonly stream: ByteStream;
}

function accept(node: TestNode): Promise<Accepted> {
  return new Promise((resolve) => {
    node.network.onStream((from, purpose, stream) => resolve({ from, purpose, stream }));
  });
}

/** Both ends of a stream that node 1 opened to node 2. */
async function pair(): Promise<{ nodes: TestNode[]; near: ByteStream; far: ByteStream }> {
  const nodes = [await startNode(1), await startNode(2)] as const;
  join(...nodes);
  const accepted = accept(nodes[1]);
  const near = await nodes[0].network.openStream(2, 'test/7');
  const { from, purpose, stream: far } = await accepted;
  expect({ from, purpose }).toEqual({ from: 1, purpose: 'test/7' });
  return { nodes: [...nodes], near, far };
}

async function readAll(stream: ByteStream): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
    chunks.push(Buffer.from(chunk));
  }
  return chunks;
}

it('carries chunks as they were written, both ways, to their ends', async () => {
  const { near, far } = await pair();
  const sizes = [1, 0, 100, 256 * 1024, 512 * 1024, 512 * 1024 + 1, 5_000_000, 2];
  const send = async (stream: ByteStream, salt: number): Promise<void> => {
    for (const [i, size] of sizes.entries()) {
      const chunk = new Uint8Array(size).fill(i + salt);
      const written = stream.write(chunk);
      // The writer may use its buffer again at once,
      chunk.fill(255);
      await written;
      // unless it has given it away.
      await stream.write(new Uint8Array(size).fill(i + salt), true);
    }
    stream.end();
  };
  const [, , up, down] = await Promise.all([
    send(near, 0),
    send(far, 100),
    readAll(far),
    readAll(near),
  ]);
  const expected = (salt: number): string[] =>
    sizes.flatMap((size, i) => new Array<string>(2).fill(`${size} x ${i + salt}`));
  const seen = (chunks: Buffer[], salt: number): string[] =>
    chunks.map((chunk, place) => {
      const byte = (place >> 1) + salt;
      return `${chunk.length} x ${chunk.find((b) => b !== byte) ?? byte}`;
    });
  expect(seen(up, 0)).toEqual(expected(0));
  expect(seen(down, 100)).toEqual(expected(100));
  // At its end it goes on being at its end.
  expect(await near.read()).toBeUndefined();
});

for (const writer of ['opener', 'acceptor'] as const) {
  it(`makes the ${writer} wait while the other side doesn't read`, async () => {
    const { near, far } = await pair();
    const [from, to] = writer === 'opener' ? [near, far] : [far, near];
    const chunk = new Uint8Array(256 * 1024);
    let written = 0;
    let isStuck = false;
    const total = 200;
    const writing = (async () => {
      for (let i = 0; i < total; i++) {
        await from.write(chunk);
        written += 1;
      }
      from.end();
    })();
    // It is stuck when a whole exchange of small messages the other way has brought no progress, ten times over.
    let calm = 0;
    for (let before = -1; calm < 10; ) {
      await to.write(new Uint8Array(1));
      await from.read();
      calm = written === before ? calm + 1 : 0;
      before = written;
    }
    isStuck = written < total;
    expect(isStuck).toBe(true);
    // 100 chunks are 25 MB: what both ends and the transport hold must be less.
    expect(written).toBeLessThan(100);
    to.end();
    const chunks = await readAll(to);
    await writing;
    expect(chunks.length).toBe(total);
  });
}

it('breaks for both when one gives it up', async () => {
  for (const giver of ['near', 'far'] as const) {
    const both = await pair();
    const other = giver === 'near' ? both.far : both.near;
    const reading = other.read();
    await both[giver].write(new Uint8Array(10));
    expect((await reading)?.length).toBe(10);
    const broken = expect(other.read()).rejects.toThrow(/the stream is broken/);
    both[giver].abort();
    await broken;
    await expect(other.write(new Uint8Array(1))).rejects.toThrow(/the stream is broken/);
    await expect(both[giver].read()).rejects.toThrow(/this side gave it up/);
    await stopNodes();
  }
});

it('breaks for a writer that waits', async () => {
  const { near, far } = await pair();
  const writing = (async () => {
    for (;;) await far.write(new Uint8Array(1024 * 1024));
  })();
  const broken = expect(writing).rejects.toThrow(/the stream is broken/);
  expect((await near.read())?.length).toBe(1024 * 1024);
  near.abort();
  await broken;
});

it('breaks when a node stops', async () => {
  const { nodes, near, far } = await pair();
  near.end();
  expect(await far.read()).toBeUndefined();
  const broken = expect(near.read()).rejects.toThrow(/the stream is broken/);
  await nodes[1]?.stop();
  await broken;
});

it('can be had to the own node', async () => {
  const node = await startNode(1);
  const accepted = accept(node);
  const near = await node.network.openStream(1, 'self');
  const { from, stream } = await accepted;
  await stream.write(Buffer.from('hello'));
  expect(from).toBe(1);
  expect(Buffer.from((await near.read()) ?? []).toString()).toBe('hello');
});

it('is not to be had where nobody is, where nobody takes it, or where it is refused', async () => {
  const [one, two] = [await startNode(1), await startNode(2, { clusterId: 'other' })];
  const gone = await startNode(3);
  await gone.stop();
  const four = await startNode(4);
  two.network.onStream(() => expect.unreachable());
  one.network.setPeers([two, gone, four].map(({ nodeId, address }) => ({ nodeId, rpc: address })));
  await expect(one.network.openStream(9, 'x')).rejects.toThrow(/node 9 is no member/);
  await expect(one.network.openStream(3, 'x')).rejects.toThrow(
    /no stream to node 3 at .*ECONNREFUSED/,
  );
  await expect(one.network.openStream(4, 'x')).rejects.toThrow(/node 4 takes no streams yet/);
  await expect(one.network.openStream(2, 'x')).rejects.toThrow(/of cluster test, not of other/);
  expect(await two.lines.like(/refused/)).toMatch(/of cluster test, not of other/);
});
