// Data-driven cases as etcd writes them: a command line, lines of input, `----`, the expected output, a blank line.
import { readFileSync, writeFileSync } from 'node:fs';

/** The folder of outside suites; undefined where it is not installed. */
export const suites: string | undefined = process.env['MERIDIAN_SUITES'];

export interface Trace {
  readonly command: string;
  /** `name=value`, values possibly in brackets. */
  readonly arguments: ReadonlyMap<string, string>;
  /** What follows the command in its line. */
  readonly rest: string;
  readonly input: string;
  /** Ends with a newline unless it is empty. */
  readonly expected: string;
  /** Where the command stands. */
  readonly line: number;
}

export function readTraces(path: string): Trace[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  const traces: Trace[] = [];
  let at = 0;
  while (at < lines.length) {
    const head = lines[at] as string;
    if (head.trim() === '' || head.startsWith('#')) {
      at++;
      continue;
    }
    const line = at + 1;
    const separator = lines.indexOf('----', at);
    if (separator < 0) throw new Error(`${path}:${line}: no ---- follows`);
    let end = separator + 1;
    while (end < lines.length && lines[end] !== '') end++;
    const output = lines.slice(separator + 1, end);
    traces.push({
      command: head.split(' ')[0] as string,
      arguments: argumentsOf(head),
      rest: head.split(' ').slice(1).join(' '),
      input: lines.slice(at + 1, separator).join('\n'),
      expected: output.length === 0 ? '' : `${output.join('\n')}\n`,
      line,
    });
    at = end;
  }
  return traces;
}

/** Puts what `run` answers in the place of what the file expects. Read the difference before you keep it. */
export function rewriteTraces(path: string, run: (trace: Trace) => string): void {
  const lines = readFileSync(path, 'utf8').split('\n');
  const rewritten: string[] = [];
  let at = 0;
  for (const trace of readTraces(path)) {
    const separator = lines.indexOf('----', trace.line);
    rewritten.push(...lines.slice(at, separator + 1));
    const output = run(trace);
    rewritten.push(...(output === '' ? [] : output.trimEnd().split('\n')));
    at = separator + 1;
    while (at < lines.length && lines[at] !== '') at++;
  }
  rewritten.push(...lines.slice(at));
  writeFileSync(path, rewritten.join('\n'));
}

function argumentsOf(head: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name, bracketed, plain] of head.matchAll(/(\w+)=(?:\(([^)]*)\)|(\S+))/g)) {
    found.set(name as string, bracketed ?? plain ?? '');
  }
  return found;
}

export function numbersOf(list: string): number[] {
  return (list.match(/\d+/g) ?? []).map(Number);
}
