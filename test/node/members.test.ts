import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import type { NodeDescription } from '../../src/node/bootstrap.ts';
import { type Member, readIdentity } from '../../src/node/identity.ts';
import { isReachable, Members, membersAfter, withAddresses } from '../../src/node/members.ts';
import type { NodeRecord } from '../../src/node/placement/registry.ts';
import type { PeerStatus } from '../../src/rpc/peer.ts';
import type { Files } from '../../src/runtime/runtime.ts';

const member = (nodeId: number, at: string): Member => {
  return { nodeId, rpc: `${at}:1`, sql: `${at}:2`, http: `${at}:3` };
};
const THREE = [member(1, 'a'), member(2, 'b'), member(3, 'c')];
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class FakeFiles {
  readonly content = new Map<string, Uint8Array>();
  read = (path: string): Promise<Uint8Array | undefined> => Promise.resolve(this.content.get(path));
  list = (): Promise<readonly string[]> => Promise.resolve([]);
  replace = (path: string, bytes: Uint8Array): Promise<void> => {
    this.content.set(path, bytes);
    return Promise.resolve();
  };
}

describe('addresses of members', () => {
  it('are taken over for who is a member, and are the same object when nothing is new', () => {
    expect(withAddresses(THREE, new Map([[2, member(2, 'b')]]))).toBe(THREE);
    expect(withAddresses(THREE, new Map([[9, member(9, 'x')]]))).toBe(THREE);
    expect(withAddresses(THREE, new Map([[2, member(2, 'x')]]))).toEqual([
      member(1, 'a'),
      member(2, 'x'),
      member(3, 'c'),
    ]);
  });

  it('stay when a node knows only that it listens everywhere', () => {
    expect(isReachable('0.0.0.0:7433') || isReachable('[::]:7433')).toBe(false);
    const found = new Map([[1, { ...member(1, 'a'), rpc: '0.0.0.0:9' }]]);
    expect(withAddresses(THREE, found)).toBe(THREE);
  });
});

describe('members of the registry', () => {
  const record = (
    nodeId: number,
    at: string,
    state: NodeRecord['state'] = 'active',
  ): NodeRecord => {
    return { ...member(nodeId, at), locality: '', instanceId: '', state };
  };

  it('come, go, and move; founders that are not in it yet stay', () => {
    expect(membersAfter(THREE, [])).toEqual(THREE);
    expect(membersAfter(THREE, [record(1, 'x'), record(4, 'd')])).toEqual([
      member(1, 'x'),
      member(2, 'b'),
      member(3, 'c'),
      member(4, 'd'),
    ]);
    expect(membersAfter(THREE, [record(2, 'b', 'decommissioned'), record(1, 'a')])).toEqual([
      member(1, 'a'),
      member(3, 'c'),
    ]);
  });
});

describe('the keeper of members', () => {
  async function keeper(join: string[], describe: (at: string) => NodeDescription | undefined) {
    const files = new FakeFiles() as unknown as Files;
    const identity = {
      formatVersion: 2,
      clusterId: 'us',
      nodeId: 1,
      shards: 1,
      members: THREE,
      founders: [1, 2, 3],
    };
    const connected: PeerStatus[] = [];
    const changes: (readonly Member[])[] = [];
    let due: () => void = () => {};
    const members = new Members({
      files,
      timers: {
        soon: () => {},
        after: (_micros, run) => {
          due = run;
          return { [Symbol.dispose]: () => {} };
        },
      },
      log: { info: () => {}, warn: () => {}, error: () => {} },
      dataDirectory: '/d',
      identity,
      join,
      peers: {
        describe: (at) => {
          const node = describe(at);
          return node === undefined ? Promise.reject(new Error('nobody')) : Promise.resolve(node);
        },
        adopt: () => Promise.reject(new Error('not asked')),
        join: () => Promise.reject(new Error('not asked')),
      },
      connected: () => connected,
      changed: (now) => changes.push(now),
    });
    members.start();
    const look = async (): Promise<void> => {
      due();
      await settle();
    };
    return { members, connected, changes, look, files };
  }

  it('writes down where a peer says that it is', async () => {
    const { members, changes, look, files } = await keeper([], () => undefined);
    await look();
    expect(changes).toEqual([]);
    await members.met(3, member(3, 'moved'));
    await members.met(3, member(3, 'moved'));
    expect(changes).toEqual([[member(1, 'a'), member(2, 'b'), member(3, 'moved')]]);
    expect((await readIdentity(files, '/d'))?.members).toEqual(changes[0]);
    expect(members.current).toEqual(changes[0]);
  });

  it('learns from connections, and from those that --join names', async () => {
    const asked: string[] = [];
    const { connected, changes, look } = await keeper(['a:1', 'x:1', 'y:1', 'z:1'], (at) => {
      asked.push(at);
      const node = { instanceId: at, members: [], ...member(0, 'listens') };
      if (at === 'x:1') return { ...node, clusterId: 'us', nodeId: 2 };
      if (at === 'y:1') return { ...node, clusterId: 'others', nodeId: 3 };
      return undefined;
    });
    const addresses = member(3, 'c2');
    connected.push({
      nodeId: 3,
      address: 'c:1',
      framesDropped: 0,
      connected: { clusterId: 'us', nodeId: 3, bootId: 'b', addresses },
    });
    await look();
    const moved = { nodeId: 2, rpc: 'x:1', sql: 'listens:2', http: 'listens:3' };
    expect(changes).toEqual([[member(1, 'a'), moved, member(3, 'c2')]]);
    await look();
    // Whoever has answered, and is one of us, is not asked again.
    expect(asked).toEqual(['x:1', 'y:1', 'z:1', 'y:1', 'z:1']);
    expect(changes.length).toBe(1);
  });
});

describe('node.json', () => {
  it('of another version is refused, with both named', async () => {
    for (const [version, text] of [
      [2, 'this program needs version 3'],
      [4, 'this program knows versions up to 3'],
    ] as const) {
      const files = new FakeFiles();
      const other = { formatVersion: version, clusterId: 'us', nodeId: 1, shards: 2 };
      files.content.set('/d/node.json', utf8(JSON.stringify(other)));
      const reading = readIdentity(files as unknown as Files, '/d');
      await expect(reading).rejects.toThrow(`has format version ${version}, ${text}`);
    }
  });
});
