import { describe, expect, it } from 'vitest';
import {
  Bootstrap,
  BootstrapRefusal,
  type Joined,
  type JoinRequest,
  belongs,
  describeNode,
  type BootstrapPeers,
  requireSame,
} from '../../src/node/bootstrap.ts';
import { type NodeIdentity, readIdentity } from '../../src/node/identity.ts';
import type { Files } from '../../src/runtime/runtime.ts';

/** Whole files, each replaced at once: a crash is a loss of everything in memory between two of them. */
class FakeFiles {
  readonly content = new Map<string, Uint8Array>();
  /** The process dies instead of the n-th change. */
  diesAt = Number.POSITIVE_INFINITY;

  read(path: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.content.get(path));
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    this.step();
    this.content.set(path, bytes.slice());
  }

  async remove(path: string): Promise<void> {
    this.step();
    this.content.delete(path);
  }

  list(directory: string): Promise<readonly string[]> {
    return Promise.resolve(
      [...this.content.keys()].map((path) => path.slice(directory.length + 1)).sort(),
    );
  }

  private step(): void {
    if (this.diesAt-- === 0) throw new Error('the process died');
  }
}

/** Several directories, of which nodes are started that reach each other. */
class World {
  readonly disks = new Map<string, FakeFiles>();
  readonly nodes = new Map<string, Bootstrap | NodeIdentity>();
  readonly addresses: readonly string[];
  private chance = 0;
  /** Called before each adoption. */
  beforeAdoption: (address: string) => Promise<void> | void = () => {};

  constructor(...addresses: string[]) {
    this.addresses = addresses;
  }

  async start(address: string, join: readonly string[] = this.addresses): Promise<void> {
    const files = this.disks.get(address) ?? new FakeFiles();
    this.disks.set(address, files);
    files.diesAt = Number.POSITIVE_INFINITY;
    const identity = await this.identity(address);
    if (identity !== undefined) {
      this.nodes.set(address, identity);
      return;
    }
    const random = {
      uint32: () => this.chance++,
      below: (bound: number) => this.chance++ % bound,
      fork: () => random,
    };
    const node = await Bootstrap.open({
      files: files as unknown as Files,
      random,
      dataDirectory: '/d',
      shards: 1,
      addresses: { rpc: `listens-${address}`, sql: `sql-${address}`, http: `http-${address}` },
      join,
      peers: this.peers,
    });
    this.nodes.set(address, node);
  }

  async startAll(): Promise<void> {
    for (const address of this.addresses) await this.start(address);
  }

  waiting(address: string): Bootstrap {
    return this.nodes.get(address) as Bootstrap;
  }

  identity(address: string): Promise<NodeIdentity | undefined> {
    return readIdentity(this.disks.get(address) as unknown as Files, '/d');
  }

  readonly peers: BootstrapPeers = {
    describe: async (address) => {
      const node = this.reach(address);
      if (node instanceof Bootstrap) return node.describe();
      return describeNode('', { rpc: '', sql: '', http: '' }, node);
    },
    adopt: async (address, adoption) => {
      await this.beforeAdoption(address);
      const node = this.reach(address);
      if (!(node instanceof Bootstrap)) {
        requireSame(node, adoption);
        return;
      }
      try {
        await node.adopt(adoption);
      } catch (error) {
        if (error instanceof BootstrapRefusal) throw error;
        this.nodes.delete(address);
        throw new BootstrapRefusal('unreachable', `${address} broke off`);
      }
    },
    join: async (address, request) => {
      const node = this.reach(address);
      if (node instanceof Bootstrap) throw new BootstrapRefusal('refused', 'it waits itself');
      return this.takes(node, request);
    },
  };
  /** What a cluster says to who wants to join. */
  takes: (node: NodeIdentity, request: JoinRequest) => Joined = () => {
    throw new BootstrapRefusal('refused', 'not now');
  };

  private reach(address: string): Bootstrap | NodeIdentity {
    const node = this.nodes.get(address);
    if (node === undefined) {
      throw new BootstrapRefusal('unreachable', `nobody answers at ${address}`);
    }
    return node;
  }
}

async function agree(world: World): Promise<void> {
  const identities = await Promise.all(world.addresses.map((one) => world.identity(one)));
  expect(identities.map((one) => one?.nodeId)).toEqual(world.addresses.map((_, i) => i + 1));
  expect(new Set(identities.map((one) => one?.clusterId)).size).toBe(1);
  for (const identity of identities) expect(identity?.members).toEqual(identities[0]?.members);
}

describe('a cluster that is founded', () => {
  it('has every node of --join, with ids in its order, wherever init runs', async () => {
    for (const founder of ['a', 'b', 'c']) {
      const world = new World('a', 'b', 'c');
      await world.startAll();
      const founded = await world.waiting(founder).found(0);
      await agree(world);
      expect(founded.members).toEqual([
        { nodeId: 1, rpc: 'a', sql: 'sql-a', http: 'http-a' },
        { nodeId: 2, rpc: 'b', sql: 'sql-b', http: 'http-b' },
        { nodeId: 3, rpc: 'c', sql: 'sql-c', http: 'http-c' },
      ]);
      const identity = await world.waiting('b').adopted;
      expect([identity.nodeId, identity.clusterId]).toEqual([2, founded.clusterId]);
      expect([...(world.disks.get('b') as FakeFiles).content.keys()]).toEqual(['/d/node.json']);
    }
  });

  it('takes two names of one node for one, and has its founder last if --join is without it', async () => {
    const world = new World('a', 'b');
    await world.startAll();
    world.nodes.set('also-a', world.waiting('a'));
    await world.start('c', ['a', 'also-a', 'b']);
    const { members } = await world.waiting('c').found(0);
    expect(members.map(({ nodeId, rpc }) => [nodeId, rpc])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'listens-c'],
    ]);
  });

  it('tells everything that is in the way, and changes nothing', async () => {
    const world = new World('a', 'b', 'c', 'd');
    await world.start('a');
    await world.start('b');
    await world.start('d', ['d']);
    const other = await world.waiting('d').found(1);
    await world.start('d');
    await expect(world.waiting('a').found(0)).rejects.toThrow(
      `nothing was initialised: nobody answers at c; the node at d is node 1 of cluster ${other.clusterId} already`,
    );
    expect(await world.identity('b')).toBeUndefined();
    await expect(world.waiting('b').found(0)).rejects.toThrow('nobody answers at c');
  });

  it('has the number of nodes that was asked for', async () => {
    const world = new World('a', 'b');
    await world.startAll();
    await expect(world.waiting('a').found(3)).rejects.toThrow(
      '3 nodes are wanted, and --join leads to 2: a, b',
    );
    await world.waiting('a').found(2);
    await agree(world);
  });

  it('is not founded a second time', async () => {
    const world = new World('a', 'b');
    await world.startAll();
    await world.waiting('a').found(0);
    await expect(world.waiting('a').found(0)).rejects.toThrow('already');
    await expect(world.waiting('b').found(0)).rejects.toMatchObject({ kind: 'belongs' });
    const identity = (await world.identity('b')) as NodeIdentity;
    expect(belongs(identity).message).toBe(
      `this is node 2 of cluster ${identity.clusterId} (2 nodes) already`,
    );
  });
});

describe('a founder that dies', () => {
  it('finishes what it began when init runs again, wherever it died', async () => {
    for (let diesAt = 0; ; diesAt++) {
      const world = new World('a', 'b', 'c');
      await world.startAll();
      const disk = world.disks.get('b') as FakeFiles;
      disk.diesAt = diesAt;
      const first = await world
        .waiting('b')
        .found(0)
        .catch((error: Error) => error);
      if (!(first instanceof Error)) {
        expect(diesAt).toBe(3);
        break;
      }
      await world.start('b');
      const node = world.nodes.get('b') as Bootstrap | NodeIdentity;
      if (node instanceof Bootstrap) await node.found(0);
      await agree(world);
    }
  });

  it('adopts a node again whose answer was lost, and one that has started meanwhile', async () => {
    const world = new World('a', 'b', 'c');
    await world.startAll();
    world.beforeAdoption = async (address) => {
      if (address === 'c') world.nodes.delete('c');
    };
    await expect(world.waiting('a').found(0)).rejects.toThrow('Run meridian init here again');
    await world.start('b');
    await world.start('c');
    world.beforeAdoption = () => {};
    await world.waiting('a').found(0);
    await agree(world);
  });

  it('does not take an emptied directory for the one that it planned with', async () => {
    const world = new World('a', 'b', 'c');
    await world.startAll();
    world.beforeAdoption = (address) => {
      if (address === 'c') world.nodes.delete('c');
    };
    await expect(world.waiting('a').found(0)).rejects.toThrow('nobody answers at c');
    world.beforeAdoption = () => {};
    world.disks.delete('b');
    await world.start('b');
    await world.start('c');
    await expect(world.waiting('a').found(0)).rejects.toThrow('another data directory');
  });
});

describe('two founders at once', () => {
  it('never make two clusters of the same nodes, and one can be made afterwards', async () => {
    for (const [first, second] of [
      ['a', 'b'],
      ['b', 'a'],
      ['a', 'c'],
    ] as const) {
      const world = new World('a', 'b', 'c');
      await world.startAll();
      const outcomes = await Promise.allSettled([
        world.waiting(first).found(0),
        world.waiting(second).found(0),
      ]);
      expect(outcomes.filter((one) => one.status === 'fulfilled').length).toBeLessThan(2);
      for (const address of [first, second, first]) {
        const node = world.nodes.get(address) as Bootstrap;
        await node.found(0).catch((error: unknown) => {
          expect(error).toBeInstanceOf(BootstrapRefusal);
        });
      }
      await agree(world);
    }
  });
});

describe('a node that waits beside a cluster', () => {
  /** What is due is run by hand. */
  function waiter(bootstrap: Bootstrap): {
    readonly look: () => Promise<void>;
    readonly said: string[];
  } {
    let due: (() => void) | undefined;
    const said: string[] = [];
    const timers = {
      soon: () => {},
      after: (_micros: number, run: () => void) => {
        due = run;
        return { [Symbol.dispose]: () => {} };
      },
    };
    const log = {
      info: (_message: string, fields?: object) => said.push(JSON.stringify(fields)),
      warn: () => {},
      error: () => {},
    };
    bootstrap.joinWhenPossible(timers, log);
    const look = async (): Promise<void> => {
      due?.();
      for (let i = 0; i < 20; i++) await Promise.resolve();
    };
    return { look, said };
  }

  async function founded(): Promise<World> {
    const world = new World('a', 'b', 'new');
    await world.start('a', ['a', 'b']);
    await world.start('b', ['a', 'b']);
    await world.start('new', ['a', 'b', 'new']);
    return world;
  }

  it('waits while there is none, and joins it when there is one', async () => {
    const world = await founded();
    const { look } = waiter(world.waiting('new'));
    await look();
    expect(await world.identity('new')).toBeUndefined();
    const { clusterId, members } = await world.waiting('a').found(0);
    // As servers do once they have been adopted.
    for (const one of ['a', 'b']) world.nodes.set(one, (await world.identity(one)) as NodeIdentity);
    const all = [...members, { nodeId: 7, rpc: 'new', sql: '', http: '' }];
    const asked: JoinRequest[] = [];
    world.takes = (_node, request) => {
      asked.push(request);
      return { clusterId, nodeId: 7, members: all, founders: [1, 2] };
    };
    await look();
    const identity = await world.identity('new');
    expect(identity).toMatchObject({ clusterId, nodeId: 7, members: all, founders: [1, 2] });
    expect(identity?.instanceId).toBe(asked[0]?.instanceId);
    expect((await world.waiting('new').adopted).nodeId).toBe(7);
  });

  it('says why it is not taken, once, and asks again', async () => {
    const world = await founded();
    await world.waiting('a').found(0);
    for (const one of ['a', 'b']) world.nodes.set(one, (await world.identity(one)) as NodeIdentity);
    let asked = 0;
    world.takes = () => {
      asked += 1;
      throw new BootstrapRefusal('refused', 'node 2 has not started yet');
    };
    const { look, said } = waiter(world.waiting('new'));
    await look();
    await look();
    expect(asked).toBeGreaterThan(2);
    expect(said).toEqual(['{"reason":"node 2 has not started yet"}']);
    expect(await world.identity('new')).toBeUndefined();
  });

  it('is not two members when it is adopted while it asks', async () => {
    const world = await founded();
    const { clusterId, members } = await world.waiting('a').found(0);
    world.nodes.set('a', (await world.identity('a')) as NodeIdentity);
    const bootstrap = world.waiting('new');
    const { instanceId } = bootstrap.describe();
    world.takes = () => {
      // The founder's word arrives before the answer.
      void bootstrap.adopt({ clusterId, nodeId: 3, members, instanceId });
      return { clusterId, nodeId: 9, members, founders: [1, 2] };
    };
    const { look } = waiter(bootstrap);
    await look();
    expect((await world.identity('new'))?.nodeId).toBe(3);
  });
});

describe('what a waiting node remembers', () => {
  it('is refused when it is damaged or of a newer version', async () => {
    const world = new World('a');
    await world.start('a');
    const disk = world.disks.get('a') as FakeFiles;
    const put = (text: string): void => {
      disk.content.set('/d/bootstrap.json', new TextEncoder().encode(text));
    };
    put('{');
    await expect(world.start('a')).rejects.toMatchObject({ code: 'XX001' });
    put('{"formatVersion": 9, "instanceId": "x"}');
    await expect(world.start('a')).rejects.toThrow('format version 9');
  });

  it('is its instance, over a restart', async () => {
    const world = new World('a');
    await world.start('a');
    const before = world.waiting('a').describe();
    await world.start('a');
    expect(world.waiting('a').describe()).toEqual(before);
  });
});
