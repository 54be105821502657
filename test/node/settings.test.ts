// Cluster settings: what they take, how they are shown, and that every node has them.

import { describe, expect, it } from 'vitest';
import { DbError } from '../../src/base/errors.ts';
import {
  formatSetting,
  parseSetting,
  SETTING_NAMES,
  SETTINGS,
} from '../../src/node/placement/settings.ts';
import { SettingsStore, settingFor } from '../../src/node/placement/settings-store.ts';
import type { Log } from '../../src/runtime/runtime.ts';
import { FakeStore } from '../sql/fakes/transactions.ts';

const SECOND = 1_000_000;

function store(shared = new FakeStore()): { settings: SettingsStore; said: string[] } {
  const said: string[] = [];
  const say = (message: string, fields?: object): void =>
    void said.push(`${message} ${JSON.stringify(fields)}`);
  const log: Log = { info: say, warn: say, error: say };
  return { settings: new SettingsStore(shared, log), said };
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof DbError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'no error';
}

describe('a setting', () => {
  it('is shown so that it can be set to what is shown, and has a default within its bounds', () => {
    for (const name of SETTING_NAMES) {
      const { defaultValue, least, most } = SETTINGS[name];
      expect(defaultValue).toBeGreaterThanOrEqual(least);
      expect(defaultValue).toBeLessThanOrEqual(most);
      for (const value of [defaultValue, least, most]) {
        expect(parseSetting(name, formatSetting(name, value)), name).toBe(value);
      }
    }
  });

  it('takes what people write', () => {
    expect(parseSetting('range.bytes_max', '64MiB')).toBe(64 << 20);
    expect(parseSetting('range.bytes_max', '64 mb')).toBe(64 << 20);
    expect(parseSetting('range.bytes_max', '1048576')).toBe(1 << 20);
    expect(parseSetting('node.dead_after', '5 min')).toBe(300 * SECOND);
    expect(parseSetting('node.dead_after', '90s')).toBe(90 * SECOND);
    expect(parseSetting('node.dead_after', '1.5 hours')).toBe(5400 * SECOND);
    expect(parseSetting('node.dead_after', '30')).toBe(30 * SECOND);
    expect(parseSetting('rebalance.load_threshold', '15%')).toBe(0.15);
    expect(parseSetting('rebalance.load_threshold', '0.15')).toBe(0.15);
    expect(parseSetting('rebalance.enabled', 'off')).toBe(0);
    expect(parseSetting('rebalance.enabled', 'TRUE')).toBe(1);
  });

  it('refuses what it does not take, and says what it does', () => {
    expect(codeOf(() => parseSetting('range.bytes_max', 'big'))).toBe(
      "22023 range.bytes_max takes a size, not 'big'",
    );
    expect(codeOf(() => parseSetting('range.bytes_max', '1 KiB'))).toBe(
      "22023 range.bytes_max is from 64KiB to 8GiB, not '1 KiB'",
    );
    expect(codeOf(() => parseSetting('node.dead_after', '5 MiB'))).toMatch(/^22023 /);
    expect(codeOf(() => parseSetting('replication.factor', '4'))).toBe(
      "22023 replication.factor can't be '4': an even number survives no more failures than the odd one below",
    );
    expect(codeOf(() => parseSetting('replication.factor', '-3'))).toMatch(/^22023 /);
  });
});

describe('the settings of a cluster', () => {
  it('are defaults until they are set, and are read by every node', async () => {
    const shared = new FakeStore();
    const [one, other] = [store(shared), store(shared)];
    expect(one.settings.get('replication.factor')).toBe(3);
    await one.settings.set('replication.factor', '5');
    expect(one.settings.get('replication.factor')).toBe(5);
    expect(other.settings.get('replication.factor')).toBe(3);
    await other.settings.refresh();
    expect(other.settings.get('replication.factor')).toBe(5);
    expect(other.said).toEqual([
      'a cluster setting changed {"name":"replication.factor","value":"5"}',
    ]);
    await other.settings.set('replication.factor', undefined);
    expect(other.settings.get('replication.factor')).toBe(3);
  });

  it('are listed by name with their defaults', async () => {
    const { settings } = store();
    await settings.set('range.bytes_max', '128 mib');
    const list = await settings.list();
    expect(list.map(({ name }) => name)).toEqual([...SETTING_NAMES]);
    expect(list.find(({ name }) => name === 'range.bytes_max')).toMatchObject({
      value: '128MiB',
      defaultValue: '64MiB',
      isPerTable: true,
    });
  });

  it('have names that exist', async () => {
    const { settings } = store();
    await expect(settings.set('no.such', '1')).rejects.toMatchObject({ code: '42704' });
    await expect(settings.set('replication.factor', 'x')).rejects.toMatchObject({ code: '22023' });
  });

  it("of which some can be a table's own, and win there", () => {
    const { settings } = store();
    expect(settings.checkForTable('range.bytes_max', '1 mib')).toBe('1MiB');
    expect(codeOf(() => settings.checkForTable('node.dead_after', '1 min'))).toBe(
      '22023 node.dead_after is a setting of the whole cluster',
    );
    const table = new Map([['range.bytes_max', '1MiB']]);
    expect(settingFor('range.bytes_max', table, settings)).toBe(1 << 20);
    expect(settingFor('range.merge_bytes', table, settings)).toBe(16 << 20);
  });
});
