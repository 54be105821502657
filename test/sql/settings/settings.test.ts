import { describe, expect, it } from 'vitest';
import { DbError } from '../../../src/base/errors.ts';
import { Settings, type SettingsSink } from '../../../src/sql/settings/settings.ts';

class Told implements SettingsSink {
  readonly notices: string[] = [];
  readonly reported: string[] = [];

  notice(severity: string, code: string, message: string): void {
    this.notices.push(`${severity} ${code} ${message}`);
  }

  parameterStatus(name: string, value: string): void {
    this.reported.push(`${name}=${value}`);
  }
}

function make(parameters: Record<string, string> = {}): { settings: Settings; told: Told } {
  return { settings: new Settings(parameters, 'root'), told: new Told() };
}

function refusal(run: () => void): unknown[] {
  try {
    run();
  } catch (error) {
    const { code, message, fields } = error as DbError;
    return [code, message, fields];
  }
  return [];
}

describe('settings', () => {
  it('begin with what the client asks for at start-up', () => {
    const { settings } = make({
      user: 'root',
      database: 'defaultdb',
      application_name: 'psql',
      client_encoding: "'utf-8'",
      DateStyle: 'ISO',
      TimeZone: 'Europe/Berlin',
      options: '-c statement_timeout=5s --extra-float-digits=3 -csearch_path=public',
    });
    expect(settings.statementTimeoutMicros).toBe(5_000_000);
    expect(Object.fromEntries(settings.parameterStatuses())).toMatchObject({
      application_name: 'psql',
      client_encoding: 'UTF8',
      DateStyle: 'ISO, MDY',
      TimeZone: 'Europe/Berlin',
      integer_datetimes: 'on',
      is_superuser: 'on',
      server_encoding: 'UTF8',
      session_authorization: 'root',
      standard_conforming_strings: 'on',
    });
    expect(settings.show('server_version')).toMatch(/^15\.0 \(Meridian \d/);
    expect(settings.show('extra_float_digits')).toBe('3');
    expect(() => make({ nonsense: '1' })).toThrow(
      'unrecognized configuration parameter "nonsense"',
    );
    expect(() => make({ client_encoding: 'LATIN1' })).toThrow('invalid value for parameter');
    expect(() => make({ options: '--x' })).toThrow('invalid command-line argument');
  });

  it('are named as PostgreSQL names them, however they are asked for', () => {
    const { settings } = make();
    expect(settings.displayName('timezone')).toBe('TimeZone');
    expect(settings.displayName('datestyle')).toBe('DateStyle');
    expect(settings.displayName('transaction_isolation')).toBe('transaction_isolation');
    expect(settings.show('TIMEZONE')).toBe('UTC');
    expect(refusal(() => settings.show('foo'))).toEqual([
      '42704',
      'unrecognized configuration parameter "foo"',
      {},
    ]);
    expect(settings.get('foo')).toBeUndefined();
  });

  it('take what PostgreSQL takes and show it as PostgreSQL does', () => {
    const { settings, told } = make();
    const shown = (name: string, ...values: string[]): string => {
      settings.set(name, values, false, false, told);
      return settings.show(name);
    };
    expect(shown('statement_timeout', '90s')).toBe('90s');
    expect(shown('statement_timeout', '1500')).toBe('1500ms');
    expect(shown('statement_timeout', '2.5 min')).toBe('150s');
    expect(settings.statementTimeoutMicros).toBe(150_000_000);
    expect(shown('lock_timeout', '0')).toBe('0');
    expect(settings.lockTimeoutMicros).toBe(0);
    expect(shown('timezone', 'europe/berlin')).toBe('Europe/Berlin');
    expect(shown('timezone', '-8')).toBe('<-08>+08');
    expect(shown('timezone', '5.5')).toBe('<+05:30>-05:30');
    expect(shown('timezone', '+02:00')).toBe('+02:00');
    expect(shown('search_path', 'a', 'B c')).toBe('a, "B c"');
    expect(shown('row_security', 'f')).toBe('off');
    expect(shown('application_name', 'ü')).toBe('??');
    expect(shown('work_mem', '100')).toBe('100kB');
    expect(shown('my.own', 'x')).toBe('x');
  });

  it('refuse with PostgreSQL’s words', () => {
    const { settings, told } = make();
    const set = (name: string, ...values: string[]): unknown[] =>
      refusal(() => settings.set(name, values, false, false, told));
    expect(set('foo', '1')).toEqual(['42704', 'unrecognized configuration parameter "foo"', {}]);
    expect(set('statement_timeout', 'abc')).toEqual([
      '22023',
      'invalid value for parameter "statement_timeout": "abc"',
      {},
    ]);
    expect(set('statement_timeout', '5 parsec')).toEqual([
      '22023',
      'invalid value for parameter "statement_timeout": "5 parsec"',
      { hint: 'Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".' },
    ]);
    expect(set('statement_timeout', '-5')).toEqual([
      '22023',
      '-5 ms is outside the valid range for parameter "statement_timeout" (0 .. 2147483647)',
      {},
    ]);
    expect(set('row_security', 'maybe')).toEqual([
      '22023',
      'parameter "row_security" requires a Boolean value',
      {},
    ]);
    expect(set('client_min_messages', 'foo')[2]).toEqual({
      hint: 'Available values: debug5, debug4, debug3, debug2, debug1, log, notice, warning, error.',
    });
    expect(set('server_version', '3')).toEqual([
      '55P02',
      'parameter "server_version" cannot be changed',
      {},
    ]);
    expect(refusal(() => settings.reset('server_version', false, told))[0]).toBe('55P02');
    expect(set('timezone', 'Nowhere/Land')[1]).toBe(
      'invalid value for parameter "TimeZone": "Nowhere/Land"',
    );
    expect(set('datestyle', 'foo')[2]).toEqual({ detail: 'Unrecognized key word: "foo".' });
    expect(set('client_encoding', 'LATIN1')[0]).toBe('22023');
    expect(set('extra_float_digits', '5')[1]).toBe(
      '5 is outside the valid range for parameter "extra_float_digits" (-15 .. 3)',
    );
    expect(set('timezone', 'UTC', 'x')[1]).toBe('SET timezone takes only one argument');
    expect(set('standard_conforming_strings', 'off')[0]).toBe('0A000');
    expect(set('bytea_output', 'escape')[0]).toBe('0A000');
    expect(told.reported).toEqual([]);
  });

  it('tell the client of reported ones that change', () => {
    const { settings, told } = make();
    settings.set('application_name', ['a'], false, false, told);
    settings.set('application_name', ['a'], false, false, told);
    settings.set('extra_float_digits', ['2'], false, false, told);
    settings.reset('all', false, told);
    expect(told.reported).toEqual(['application_name=a', 'application_name=']);
    expect(settings.show('extra_float_digits')).toBe('1');
  });

  it('follow their transaction', () => {
    const { settings, told } = make({ application_name: 'start' });
    settings.set('application_name', ['kept'], false, false, told);
    settings.set('application_name', ['lost'], false, true, told);
    settings.set('statement_timeout', ['7s'], true, true, told);
    expect(settings.statementTimeoutMicros).toBe(7_000_000);
    settings.transactionEnded(false);
    expect(settings.show('application_name')).toBe('kept');
    expect(settings.statementTimeoutMicros).toBe(0);

    settings.set('application_name', ['local'], true, true, told);
    settings.set('lock_timeout', ['1s'], false, true, told);
    settings.transactionEnded(true);
    expect(settings.show('application_name')).toBe('kept');
    expect(settings.lockTimeoutMicros).toBe(1_000_000);
    expect(told.reported).toEqual([
      'application_name=kept',
      'application_name=lost',
      'application_name=kept',
      'application_name=local',
      'application_name=kept',
    ]);
    settings.reset('application_name', false, told);
    expect(settings.show('application_name')).toBe('start');
  });

  it('say when SET LOCAL has no transaction to be local to', () => {
    const { settings, told } = make();
    settings.set('timezone', ['+3'], true, false, told);
    settings.set('transaction_isolation', ['serializable'], true, false, told);
    expect(settings.show('timezone')).toBe('UTC');
    expect(told.notices).toEqual([
      'WARNING 25P01 SET LOCAL can only be used in transaction blocks',
      'WARNING 25P01 SET TRANSACTION can only be used in transaction blocks',
    ]);
  });

  it('keep transactions serializable, and say so once', () => {
    const { settings, told } = make();
    for (const level of ['read committed', 'Repeatable Read', 'serializable']) {
      settings.set('transaction_isolation', [level], true, true, told);
      expect(settings.show('transaction_isolation')).toBe('serializable');
    }
    expect(told.notices).toEqual([
      'NOTICE 00000 isolation level "read committed" is upgraded to "serializable"',
    ]);
    expect(refusal(() => settings.set('transaction_isolation', ['foo'], true, true, told))[1]).toBe(
      'invalid value for parameter "transaction_isolation": "foo"',
    );
  });

  it('know the schemas of the search path that exist', () => {
    const { settings, told } = make();
    expect(settings.searchPath()).toEqual(['public']);
    settings.set('search_path', ['nowhere', 'pg_catalog', 'public'], false, false, told);
    expect(settings.searchPath()).toEqual(['pg_catalog', 'public']);
    settings.set('search_path', ['Public'], false, false, told);
    expect(settings.searchPath()).toEqual([]);
    settings.set('search_path', [''], false, false, told);
    expect(settings.show('search_path')).toBe('""');
    settings.set('search_path', undefined, false, false, told);
    expect(settings.searchPath()).toEqual(['public']);
  });

  it('know how far a zone is from UTC, in summer and in winter', () => {
    const { settings, told } = make();
    const winter = Date.UTC(2024, 0, 15) * 1000;
    const summer = Date.UTC(2024, 6, 15) * 1000;
    const offsets = (zone: string): number[] => {
      settings.set('timezone', [zone], false, false, told);
      return [settings.zoneOffsetMinutes(winter), settings.zoneOffsetMinutes(summer)];
    };
    expect(offsets('UTC')).toEqual([0, 0]);
    expect(offsets('Europe/Berlin')).toEqual([60, 120]);
    expect(offsets('America/St_Johns')).toEqual([-210, -150]);
    expect(offsets('Asia/Kolkata')).toEqual([330, 330]);
    expect(offsets('-8')).toEqual([-480, -480]);
    // POSIX counts westward.
    expect(offsets('+02:00')).toEqual([-120, -120]);
    expect(offsets('<+0530>-05:30')).toEqual([330, 330]);
  });

  it('are listed by name, with what they are for', () => {
    const rows = make().settings.all();
    const names = rows.map(([name]) => String(name).toLowerCase());
    expect(names).toEqual([...names].sort());
    expect(rows.every((row) => row.length === 3 && row[2] !== '')).toBe(true);
  });

  it('of the user’s own making are limited in number', () => {
    const { settings, told } = make();
    const many = (): void => {
      for (let i = 0; i < 2000; i++) settings.set(`my.s${i}`, ['x'], false, false, told);
    };
    expect(refusal(many)[0]).toBe('54000');
  });
});
