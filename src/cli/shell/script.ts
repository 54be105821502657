// Statements from a file or a pipe, with COPY data inline as psql takes it: the lines after COPY … FROM STDIN up to
// '\.' are its data.

import { StatementSplitter } from './splitter.ts';
import { runMeta } from './meta.ts';
import type { ShellSession } from './session.ts';

const COPY_FROM_STDIN = /^\s*copy\b[\s\S]*\bfrom\s+stdin\b/i;

/** Lines with their newlines, across chunks. */
async function* linesOf(input: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8');
  let rest = '';
  for await (const chunk of input) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() as string;
    for (const line of lines) yield `${line}\n`;
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}

export interface ScriptOptions {
  readonly stopOnError: boolean;
  runFile(path: string): Promise<void>;
}

export async function runScript(
  session: ShellSession,
  input: AsyncIterable<Uint8Array | string>,
  options: ScriptOptions,
): Promise<void> {
  const lines = linesOf(input);
  const splitter = new StatementSplitter();
  async function* copyData(): AsyncGenerator<Uint8Array> {
    for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
      if (/^\\\.\r?\n?$/.test(line.value)) return;
      yield Buffer.from(line.value);
    }
  }
  /** False when the script should stop. */
  async function execute(statement: string): Promise<boolean> {
    const copying = COPY_FROM_STDIN.test(statement);
    const ok = await session.run(statement, copying ? copyData : undefined);
    return (ok || !options.stopOnError) && !session.client.closed;
  }
  for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
    if (splitter.idle && line.value.startsWith('\\')) {
      const outcome = await runMeta(line.value, session).catch((error: unknown) => {
        session.output.err(`${error instanceof Error ? error.message : String(error)}\n`);
        session.failed = true;
        return 'done' as const;
      });
      if (session.failed && options.stopOnError) return;
      if (outcome === 'quit') return;
      if (outcome === 'unknown') {
        session.output.err(`unknown command ${line.value.trim()}; \\? lists what there is\n`);
        session.failed = true;
        if (options.stopOnError) return;
      } else if (typeof outcome === 'object') await options.runFile(outcome.file);
      continue;
    }
    for (const statement of splitter.push(line.value)) {
      if (!(await execute(statement))) return;
    }
  }
  if (splitter.rest !== '') await execute(splitter.rest);
}
