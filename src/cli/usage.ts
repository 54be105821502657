// Options and help of every command, from one description each. Exit codes: 0 done, 1 failed, 2 wrong usage.

import { parseArgs } from 'node:util';

export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface OptionSpec {
  /** What follows the option in the help; undefined: a switch. */
  readonly value: string | undefined;
  readonly short?: string;
  readonly help: string;
  readonly multiple?: boolean;
}

export interface CommandSpec {
  /** 'meridian start' */
  readonly name: string;
  readonly summary: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** What stands beside the options; it must be there. */
  readonly argument?: {
    readonly name: string;
    readonly help: string;
    /** One or more. */
    readonly isMany?: boolean;
  };
  /** Shown below the options. */
  readonly notes?: string;
}

export interface ParsedOptions {
  /** Empty where the command takes none. */
  readonly argument: string;
  readonly arguments: readonly string[];
  text(name: string): string | undefined;
  texts(name: string): readonly string[];
  flag(name: string): boolean;
  /** A whole number within bounds, or UsageError. */
  whole(name: string, low: number, high: number): number | undefined;
}

export function parseOptions(spec: CommandSpec, args: readonly string[]): ParsedOptions {
  const options: Record<
    string,
    { type: 'string' | 'boolean'; short?: string; multiple?: boolean }
  > = {
    help: { type: 'boolean', short: 'h' },
  };
  for (const [name, option] of Object.entries(spec.options)) {
    options[name] = {
      type: option.value === undefined ? 'boolean' : 'string',
      ...(option.short === undefined ? {} : { short: option.short }),
      ...(option.multiple === true ? { multiple: true } : {}),
    };
  }
  let values: Record<string, unknown>;
  let positionals: readonly string[];
  const allowPositionals = spec.argument !== undefined;
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals, strict: true });
    ({ values, positionals } = parsed);
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0] ?? 'unknown option');
  }
  if (values['help'] === true) throw new HelpAsked(spec);
  const most = spec.argument?.isMany === true ? Number.POSITIVE_INFINITY : 1;
  if (spec.argument !== undefined && (positionals.length < 1 || positionals.length > most)) {
    throw new UsageError(`${spec.name} wants ${spec.argument.name}: ${spec.argument.help}`);
  }
  return {
    argument: positionals[0] ?? '',
    arguments: positionals,
    text: (name) => values[name] as string | undefined,
    texts: (name) => {
      const value = values[name];
      return Array.isArray(value)
        ? (value as string[])
        : value === undefined
          ? []
          : [value as string];
    },
    flag: (name) => values[name] === true,
    whole: (name, low, high) => {
      const text = values[name] as string | undefined;
      if (text === undefined) return undefined;
      return wholeNumber(`--${name}`, text, low, high);
    },
  };
}

/** UsageError when the text is none, or out of bounds. */
export function wholeNumber(what: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < low || value > high) {
    throw new UsageError(`${what} takes a whole number from ${low} to ${high}, not '${text}'`);
  }
  return value;
}

export class HelpAsked extends Error {
  override readonly name = 'HelpAsked';
  readonly spec: CommandSpec;

  constructor(spec: CommandSpec) {
    super('help');
    this.spec = spec;
  }
}

export function helpText(spec: CommandSpec): string {
  const rows = Object.entries(spec.options).map(([name, option]): readonly [string, string] => {
    const short = option.short === undefined ? '    ' : `-${option.short}, `;
    const value = option.value === undefined ? '' : ` ${option.value}`;
    return [`  ${short}--${name}${value}`, option.help];
  });
  rows.push(['  -h, --help', 'print this']);
  if (spec.argument !== undefined) rows.unshift([`  ${spec.argument.name}`, spec.argument.help]);
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  const lines = rows.map(([left, right]) => `${left.padEnd(width)}${right}`);
  const notes = spec.notes === undefined ? '' : `\n${spec.notes}\n`;
  return `${spec.name}: ${spec.summary}\n\n${lines.join('\n')}\n${notes}`;
}
