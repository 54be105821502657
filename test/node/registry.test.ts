// The registry of nodes: ids are given out once, states change by rules.

import { describe, expect, it } from 'vitest';
import { type NodeRecord, Registry } from '../../src/node/placement/registry.ts';
import { FakeStore } from '../sql/fakes/transactions.ts';

const at = (name: string): Omit<NodeRecord, 'nodeId' | 'state'> => {
  return { rpc: `${name}:1`, sql: `${name}:2`, http: `${name}:3`, locality: '', instanceId: name };
};

describe('the registry of nodes', () => {
  it('gives each newcomer an id that nobody has had, and the same again when it asks again', async () => {
    const registry = new Registry(new FakeStore());
    for (const nodeId of [1, 2, 3]) await registry.register({ nodeId, ...at(`f${nodeId}`) });
    const ids = await Promise.all(
      ['a', 'b', 'c', 'a'].map(async (name) => {
        const { nodeId } = await registry.join(at(name), [1, 2, 3]);
        return [name, nodeId] as const;
      }),
    );
    const byName = new Map(ids);
    expect(new Set(byName.values())).toEqual(new Set([4, 5, 6]));
    expect(ids[3]?.[1]).toBe(ids[0]?.[1]);
    const gone = byName.get('c') as number;
    await registry.setState(gone, 'decommissioning');
    await registry.setState(gone, 'decommissioned');
    expect((await registry.join(at('d'), [])).nodeId).toBe(7);
    expect((await registry.list()).map(({ nodeId }) => nodeId)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('gives no id of a founder whose row is not there yet', async () => {
    const registry = new Registry(new FakeStore());
    expect((await registry.join(at('a'), [1, 2, 3])).nodeId).toBe(4);
  });

  it('keeps where a node is, and leaves alone what it was told to become', async () => {
    const registry = new Registry(new FakeStore());
    await registry.register({ nodeId: 1, ...at('a') });
    await registry.setState(1, 'decommissioning');
    await registry.register({ nodeId: 1, ...at('a'), rpc: 'moved:1', locality: 'zone=b' });
    expect(await registry.list()).toEqual([
      { nodeId: 1, ...at('a'), rpc: 'moved:1', locality: 'zone=b', state: 'decommissioning' },
    ]);
  });

  it('refuses another directory under the name of a node', async () => {
    const registry = new Registry(new FakeStore());
    await registry.register({ nodeId: 1, ...at('a') });
    await expect(registry.register({ nodeId: 1, ...at('b') })).rejects.toMatchObject({
      code: '55000',
    });
  });

  it('changes a state only when nothing objects', async () => {
    const registry = new Registry(new FakeStore());
    await registry.register({ nodeId: 1, ...at('a') });
    const objection = new Error('no');
    await expect(
      registry.setState(1, 'decommissioning', () => {
        throw objection;
      }),
    ).rejects.toBe(objection);
    expect((await registry.list())[0]?.state).toBe('active');
    await expect(registry.setState(9, 'active')).rejects.toThrow('there is no node 9: there are 1');
  });
});
