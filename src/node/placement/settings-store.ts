// The cluster's settings on a node: rows of the root range, held in memory and read again every few seconds, so that
// whoever needs one has it at hand. Until they are first read, defaults hold.

import { fromUtf8, prefixEnd, utf8 } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { rootKey } from '../../ranges/layout.ts';
import type { Log } from '../../runtime/runtime.ts';
import { inOwnTransaction } from '../../sql/catalog/attempts.ts';
import type { TableSettings } from '../../sql/catalog/descriptor.ts';
import type { SettingAdmin, SettingInfo } from '../../sql/cluster-admin.ts';
import type { Transactions } from '../../txn/api.ts';
import { readRows } from './root-rows.ts';
import {
  formatSetting,
  isSettingName,
  parseSetting,
  requireSetting,
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
} from './settings.ts';

const PREFIX = rootKey('setting/');
const END = prefixEnd(PREFIX);

/** What others read settings from. */
export interface Settings {
  get(name: SettingName): number;
}

export const DEFAULT_SETTINGS: Settings = {
  get: (name) => SETTINGS[name].defaultValue,
};

/** A table's where it has one, else the cluster's. */
export function settingFor(
  name: SettingName,
  table: TableSettings | undefined,
  cluster: Settings,
): number {
  const text = table?.get(name);
  return text === undefined ? cluster.get(name) : parseSetting(name, text);
}

export class SettingsStore implements Settings, SettingAdmin {
  private readonly transactions: Transactions;
  private readonly log: Log;
  private values: ReadonlyMap<SettingName, number> = new Map();

  constructor(transactions: Transactions, log: Log) {
    this.transactions = transactions;
    this.log = log;
  }

  /** Another object whenever anything may have changed. */
  get state(): object {
    return this.values;
  }

  get(name: SettingName): number {
    return this.values.get(name) ?? SETTINGS[name].defaultValue;
  }

  /** Throws DbError while the root range can't be read. */
  async refresh(): Promise<void> {
    const values = new Map<SettingName, number>();
    const rows = await readRows(this.transactions.snapshot(), { start: PREFIX, end: END });
    for (const { key, value } of rows) {
      const name = fromUtf8(key.subarray(PREFIX.length));
      const found = this.parsed(name, fromUtf8(value));
      if (isSettingName(name) && found !== undefined) values.set(name, found);
    }
    for (const name of SETTING_NAMES) {
      const now = values.get(name) ?? SETTINGS[name].defaultValue;
      if (now === this.get(name)) continue;
      this.log.info('a cluster setting changed', { name, value: formatSetting(name, now) });
    }
    this.values = values;
  }

  async list(): Promise<readonly SettingInfo[]> {
    await this.refresh();
    return SETTING_NAMES.map((name) => {
      const { defaultValue, isPerTable, description } = SETTINGS[name];
      return {
        name,
        value: formatSetting(name, this.get(name)),
        defaultValue: formatSetting(name, defaultValue),
        isPerTable: isPerTable === true,
        description,
      };
    });
  }

  async set(name: string, value: string | undefined): Promise<void> {
    const setting = requireSetting(name);
    const key = rootKey(`setting/${setting}`);
    const text =
      value === undefined ? undefined : formatSetting(setting, parseSetting(setting, value));
    await inOwnTransaction(this.transactions, async (txn) => {
      if (text === undefined) txn.delete(key);
      else txn.put(key, utf8(text));
    });
    await this.refresh();
  }

  checkForTable(name: string, value: string): string {
    const setting = requireSetting(name);
    if (SETTINGS[setting].isPerTable !== true) {
      throw new DbError('22023', `${setting} is a setting of the whole cluster`, {
        hint: 'SET CLUSTER SETTING changes it.',
      });
    }
    return formatSetting(setting, parseSetting(setting, value));
  }

  /** What a newer program has written may mean nothing here. */
  private parsed(name: string, text: string): number | undefined {
    try {
      return parseSetting(requireSetting(name), text);
    } catch (error) {
      this.log.warn('a cluster setting is not understood', { name, error: String(error) });
      return undefined;
    }
  }
}
