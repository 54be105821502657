// A session's settings. SET lasts for the session unless its transaction rolls back; SET LOCAL lasts for the
// transaction. This room knows names, values and their rules; what a setting does is up to whoever reads it.

import { DbError } from '../../base/errors.ts';
import { formatIdentifier } from '../parse/format.ts';
import { type Definition, SETTING_ALIASES, SETTINGS } from './definitions.ts';
import { ISOLATION, readMicros } from './kinds.ts';
import { ZoneOffsets } from './zone.ts';

/** What of a ResultSink settings use. */
export interface SettingsSink {
  notice(severity: 'NOTICE' | 'WARNING' | 'INFO', code: string, message: string): void;
  parameterStatus(name: string, value: string): void;
}

/** Start-up parameters that are not settings. */
const NOT_SETTINGS: ReadonlySet<string> = new Set(['user', 'database', 'options', 'replication']);
const SCHEMAS: ReadonlySet<string> = new Set(['public', 'pg_catalog', 'information_schema']);
/** Two words with a point between: a name of the user's own, with any text. */
const CUSTOM_NAME = /^[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)+$/;
const CUSTOM_COUNT_MAX = 1000;

export class Settings {
  /** What RESET goes back to, where it differs from the definition. */
  readonly #startup = new Map<string, string>();
  /** What outlives the transaction if it commits. */
  #session = new Map<string, string>();
  readonly #local = new Map<string, string>();
  /** #session as it was when the transaction first changed it. */
  #before: Map<string, string> | undefined;
  /** Where the transaction's changes were reported: taking them back is reported there too. */
  #sink: SettingsSink | undefined;
  #toldIsolation = false;
  #searchPath: readonly string[] = [];
  #zone = new ZoneOffsets('UTC');
  statementTimeoutMicros = 0;
  lockTimeoutMicros = 0;
  defaultReadOnly = false;

  /** Throws DbError for start-up parameters that can't be. */
  constructor(parameters: Readonly<Record<string, string>>, user: string) {
    this.#startup.set('session_authorization', user);
    for (const [name, value] of startupOptions(parameters['options'])) this.#begin(name, value);
    for (const [name, value] of Object.entries(parameters)) {
      const lower = name.toLowerCase();
      if (!NOT_SETTINGS.has(lower) && !lower.startsWith('_pq_.')) this.#begin(lower, value);
    }
    this.#derive();
  }

  #begin(name: string, value: string): void {
    const { key, definition } = lookUp(name);
    this.#startup.set(
      key,
      definition === undefined ? value : definition.kind.read(definition.name, value),
    );
  }

  /** Undefined when there is no such setting. */
  get(name: string): string | undefined {
    const key = keyOf(name);
    return (
      this.#local.get(key) ??
      this.#session.get(key) ??
      this.#startup.get(key) ??
      SETTINGS.get(key)?.initial
    );
  }

  show(name: string): string {
    const value = this.get(name);
    if (value === undefined) throw unrecognized(name);
    return value;
  }

  displayName(name: string): string {
    const key = keyOf(name);
    return SETTINGS.get(key)?.name ?? key;
  }

  /** Name, setting, description. */
  all(): readonly (readonly string[])[] {
    return [...SETTINGS.values()].map((d) => [d.name, this.show(d.name), d.description]);
  }

  /** `values` undefined: TO DEFAULT. */
  set(
    name: string,
    values: readonly string[] | undefined,
    local: boolean,
    inTransaction: boolean,
    sink: SettingsSink,
  ): void {
    const { key, definition } = lookUp(name);
    const value = values === undefined ? undefined : this.#read(key, definition, values, sink);
    if (definition !== undefined && values === undefined) refuseFixed(definition);
    if (local && !inTransaction) {
      const what = key.startsWith('transaction_') ? 'SET TRANSACTION' : 'SET LOCAL';
      sink.notice('WARNING', '25P01', `${what} can only be used in transaction blocks`);
      return;
    }
    this.#change(key, value, local, inTransaction, sink);
    if (key === 'timezone' && !this.#zone.isUtc) {
      sink.notice(
        'WARNING',
        '0A000',
        'timestamptz is read and shown in UTC whatever the time zone; write offsets, such as 12:00+02',
      );
    }
  }

  /** 'all' resets everything that may be. */
  reset(name: string, inTransaction: boolean, sink: SettingsSink): void {
    if (name !== 'all') {
      this.set(name, undefined, false, inTransaction, sink);
      return;
    }
    for (const key of new Set([...this.#session.keys(), ...this.#local.keys()])) {
      this.#change(key, undefined, false, inTransaction, sink);
    }
  }

  transactionEnded(committed: boolean): void {
    if (this.#local.size === 0 && this.#before === undefined) return;
    const shown = this.#reported();
    this.#local.clear();
    if (!committed && this.#before !== undefined) this.#session = this.#before;
    this.#before = undefined;
    this.#derive();
    const sink = this.#sink;
    this.#sink = undefined;
    if (sink !== undefined) this.#report(shown, sink);
  }

  /** The schemas of search_path that exist, in order. */
  /** Tells search paths apart; '' for those that resolve as the default does. */
  pathMark(): string {
    const path = this.#searchPath;
    return path.length === 1 && path[0] === 'public' ? '' : `[${path.join()}]`;
  }

  searchPath(): readonly string[] {
    return this.#searchPath;
  }

  /** Minutes to add to UTC in the session's zone at an instant, in microseconds since 1970. */
  zoneOffsetMinutes(micros: number): number {
    return this.#zone.minutesAt(micros);
  }

  /** What the client is told at start-up. */
  parameterStatuses(): ReadonlyMap<string, string> {
    return this.#reported();
  }

  #reported(): Map<string, string> {
    const reported = new Map<string, string>();
    for (const [key, definition] of SETTINGS) {
      if (definition.reported) reported.set(definition.name, this.get(key) as string);
    }
    return reported;
  }

  #report(before: ReadonlyMap<string, string>, sink: SettingsSink): void {
    for (const [name, value] of this.#reported()) {
      if (before.get(name) !== value) sink.parameterStatus(name, value);
    }
  }

  #read(
    key: string,
    definition: Definition | undefined,
    values: readonly string[],
    sink: SettingsSink,
  ): string {
    if (key === 'search_path') return values.map(quoteSchema).join(', ');
    if (definition?.kind.list !== true && values.length !== 1) {
      throw new DbError('22023', `SET ${key} takes only one argument`);
    }
    const text = values.join(', ');
    if (definition === undefined) return text;
    if (key === 'timezone' && /^(default|local)$/i.test(text)) return definition.initial;
    const value = definition.kind.read(definition.name, text);
    if (definition.kind === ISOLATION && text.toLowerCase() !== value && !this.#toldIsolation) {
      this.#toldIsolation = true;
      sink.notice(
        'NOTICE',
        '00000',
        `isolation level "${text.toLowerCase()}" is upgraded to "${value}"`,
      );
    }
    return value;
  }

  #change(
    key: string,
    value: string | undefined,
    local: boolean,
    inTransaction: boolean,
    sink: SettingsSink,
  ): void {
    const shown = this.#reported();
    if (inTransaction) {
      this.#before ??= new Map(this.#session);
      this.#sink = sink;
    }
    if (local) {
      this.#local.set(key, value ?? this.#startup.get(key) ?? SETTINGS.get(key)?.initial ?? '');
    } else {
      this.#local.delete(key);
      if (value === undefined) this.#session.delete(key);
      else if (
        SETTINGS.has(key) ||
        this.#session.has(key) ||
        this.#session.size < CUSTOM_COUNT_MAX
      ) {
        this.#session.set(key, value);
      } else {
        throw new DbError('54000', `a session may have at most ${CUSTOM_COUNT_MAX} settings`);
      }
    }
    this.#derive();
    this.#report(shown, sink);
  }

  /** What is read for every statement is computed when it changes. */
  #derive(): void {
    this.statementTimeoutMicros = readMicros(this.show('statement_timeout'));
    this.lockTimeoutMicros = readMicros(this.show('lock_timeout'));
    this.defaultReadOnly = this.show('default_transaction_read_only') === 'on';
    this.#searchPath = splitPath(this.show('search_path')).filter((schema) => SCHEMAS.has(schema));
    this.#zone = new ZoneOffsets(this.show('timezone'));
  }
}

function keyOf(name: string): string {
  const lower = name.toLowerCase();
  return SETTING_ALIASES.get(lower) ?? lower;
}

function lookUp(name: string): { key: string; definition: Definition | undefined } {
  const key = keyOf(name);
  const definition = SETTINGS.get(key);
  if (definition === undefined && !CUSTOM_NAME.test(key)) throw unrecognized(name);
  return { key, definition };
}

function refuseFixed(definition: Definition): void {
  // Reading throws for what can't be changed, whatever the text.
  definition.kind.read(definition.name, definition.initial);
}

function unrecognized(name: string): DbError {
  return new DbError('42704', `unrecognized configuration parameter "${name}"`);
}

function quoteSchema(name: string): string {
  return name === '' ? '""' : formatIdentifier(name);
}

/** "a", b, "c d" -> its names. */
function splitPath(path: string): string[] {
  const names: string[] = [];
  for (const match of path.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g)) {
    const [, quoted, bare] = match;
    names.push(
      quoted === undefined ? (bare as string).toLowerCase() : quoted.replaceAll('""', '"'),
    );
  }
  return names;
}

/** '-c name=value --name=value', with backslashes before blanks. */
function startupOptions(text: string | undefined): [string, string][] {
  if (text === undefined) return [];
  const words = (text.match(/(?:\\.|[^\s\\])+/g) ?? []).map((word) => word.replace(/\\(.)/g, '$1'));
  const options: [string, string][] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    const option = word === '-c' ? words[++i] : /^(?:-c|--)(.*)$/.exec(word)?.[1];
    const at = option?.indexOf('=') ?? -1;
    if (option === undefined || at < 1) throw invalidOption(word);
    options.push([option.slice(0, at).replaceAll('-', '_').toLowerCase(), option.slice(at + 1)]);
  }
  return options;
}

function invalidOption(word: string): DbError {
  return new DbError('42601', `invalid command-line argument for server process: ${word}`);
}
