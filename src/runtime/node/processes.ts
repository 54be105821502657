// Nodes as processes that outlive whoever starts them: what `meridian cluster` is made of.

import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { codeOf } from './file-errors.ts';

export type ProcessState = 'running' | 'paused' | 'gone';

export interface DetachedProcess {
  readonly pid: number;
  /** Once it has ended, as long as this process lives. */
  readonly ended: Promise<void>;
}

/** Runs a module of ours with Node.js; what it prints is appended to `logPath`. */
export async function startDetached(
  module: URL,
  args: readonly string[],
  logPath: string,
): Promise<DetachedProcess> {
  const log = openSync(logPath, 'a');
  try {
    const child = spawn(process.execPath, [fileURLToPath(module), ...args], {
      detached: true,
      stdio: ['ignore', log, log],
    });
    const ended = new Promise<void>((done) => child.once('exit', () => done()));
    await new Promise<void>((started, failed) => {
      child.once('spawn', started);
      child.once('error', failed);
    });
    child.unref();
    return { pid: child.pid as number, ended };
  } finally {
    closeSync(log);
  }
}

/** Process ids are used again: a process is the one that is meant only if `marker` stands in its command line. */
export async function stateOfProcess(pid: number, marker: string): Promise<ProcessState> {
  const found = process.platform === 'linux' ? await lookInProc(pid) : await askPs(pid);
  if (found === undefined || !found.command.includes(marker)) return 'gone';
  switch (found.state[0]) {
    case 'Z':
    case 'X':
      return 'gone';
    case 'T':
    case 't':
      return 'paused';
    default:
      return 'running';
  }
}

export function signalProcess(pid: number, signal: 'TERM' | 'KILL' | 'STOP' | 'CONT'): void {
  try {
    process.kill(pid, `SIG${signal}`);
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

/** The end of a text file; empty when it is missing. */
export async function endOfFile(path: string, bytes: number): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const from = Math.max(0, size - bytes);
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(size - from),
        0,
        size - from,
        from,
      );
      return buffer.subarray(0, bytesRead).toString('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  }
}

export function absolutePath(path: string): string {
  return resolve(path);
}

interface Found {
  readonly state: string;
  readonly command: string;
}

async function lookInProc(pid: number): Promise<Found | undefined> {
  try {
    const [stat, command] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
    ]);
    // "pid (name) state ...": the name may have spaces and parentheses.
    return { state: stat.slice(stat.lastIndexOf(')') + 2), command: command.replaceAll('\0', ' ') };
  } catch {
    return undefined;
  }
}

async function askPs(pid: number): Promise<Found | undefined> {
  try {
    const { stdout } = await promisify(execFile)('ps', [
      '-ww',
      '-o',
      'state=,command=',
      '-p',
      String(pid),
    ]);
    const [state = '', ...command] = stdout.trim().split(/\s+/);
    return { state, command: command.join(' ') };
  } catch {
    return undefined;
  }
}
