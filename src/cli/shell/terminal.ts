// The shell at a terminal: several lines a statement, history across runs, completion with Tab, Ctrl-C cancels the
// statement that runs or drops the one that is typed.

import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Completer, runMeta } from './meta.ts';
import type { ShellSession } from './session.ts';
import { StatementSplitter } from './splitter.ts';

const HISTORY_LINES_MAX = 1000;
const SCHEMA_CHANGE = /^\s*(create|alter|drop)\b/i;

function historyPath(): string {
  return process.env['MERIDIAN_HISTORY'] ?? join(homedir(), '.meridian_history');
}

function loadHistory(): string[] {
  try {
    if (!existsSync(historyPath())) return [];
    const lines = readFileSync(historyPath(), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    const kept = lines.slice(-HISTORY_LINES_MAX);
    if (kept.length < lines.length)
      writeFileSync(historyPath(), `${kept.join('\n')}\n`, { mode: 0o600 });
    return kept.reverse();
  } catch {
    return [];
  }
}

function remember(line: string): void {
  try {
    appendFileSync(historyPath(), `${line}\n`, { mode: 0o600 });
  } catch {
    // A home that can't be written to costs the history, not the shell.
  }
}

export async function runTerminal(
  session: ShellSession,
  runFile: (path: string) => Promise<void>,
): Promise<void> {
  const completer = new Completer();
  await completer.refresh(session);
  const splitter = new StatementSplitter();
  const readline = createInterface({
    input: process.stdin,
    output: process.stdout,
    history: loadHistory(),
    historySize: HISTORY_LINES_MAX,
    removeHistoryDuplicates: true,
    completer: (line: string) => completer.complete(line),
  });
  let running = false;
  let copying = false;
  let interrupted = false;
  const waiting: string[] = [];
  let wake: (() => void) | undefined;
  let ended = false;
  const prompt = (): void => {
    readline.setPrompt(`meridian${splitter.promptMark}> `);
    readline.prompt();
  };
  readline.on('line', (line) => {
    waiting.push(line);
    wake?.();
  });
  readline.on('close', () => {
    ended = true;
    wake?.();
  });
  readline.on('SIGINT', () => {
    if (copying) {
      interrupted = true;
      wake?.();
      return;
    }
    if (running) {
      void session.client.cancel();
      return;
    }
    splitter.reset();
    process.stdout.write('^C\n');
    readline.write(null, { ctrl: true, name: 'e' });
    readline.write(null, { ctrl: true, name: 'u' });
    prompt();
  });
  prompt();
  for (;;) {
    const line = waiting.shift();
    if (line === undefined) {
      if (ended) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    if (line.trim() !== '') remember(line);
    running = true;
    const goOn = await take(line);
    running = false;
    if (!goOn) break;
    prompt();
  }
  readline.close();
  if (ended) process.stdout.write('\n');

  async function* copyLines(): AsyncGenerator<Uint8Array> {
    process.stdout.write(
      'Enter data to be copied followed by a newline.\nEnd with \\. on a line by itself.\n',
    );
    copying = true;
    interrupted = false;
    try {
      yield* copyLinesTyped();
    } finally {
      copying = false;
    }
  }

  async function* copyLinesTyped(): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (interrupted) throw new Error('canceled by user');
      const line = waiting.shift();
      if (line === '\\.' || (line === undefined && ended)) return;
      if (line === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      yield Buffer.from(`${line}\n`);
    }
  }

  async function take(line: string): Promise<boolean> {
    if (splitter.idle && /^\s*(quit|exit)\s*;?\s*$/i.test(line)) return false;
    if (splitter.idle && line.trim().startsWith('\\')) {
      const outcome = await runMeta(line, session).catch((error: unknown) => {
        session.output.err(`${error instanceof Error ? error.message : String(error)}\n`);
        return 'done' as const;
      });
      if (outcome === 'quit') return false;
      if (outcome === 'unknown') session.output.err('unknown command; \\? lists what there is\n');
      else if (typeof outcome === 'object') await runFile(outcome.file);
      return true;
    }
    for (const statement of splitter.push(`${line}\n`)) {
      await session.run(statement, copyLines);
      if (session.client.closed) {
        session.output.err('The connection to the server was lost.\n');
        session.failed = true;
        return false;
      }
      if (SCHEMA_CHANGE.test(statement)) await completer.refresh(session);
    }
    return true;
  }
}
