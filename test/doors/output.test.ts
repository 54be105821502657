import { describe, expect, it } from 'vitest';
import { type OutputTarget, WireOutput } from '../../src/doors/pgwire/output.ts';

/** Keeps what it is given, and says whether it is done with it. */
function targetThat(isDone: boolean): { target: OutputTarget; written: Uint8Array[] } {
  const written: Uint8Array[] = [];
  const target: OutputTarget = {
    write: (bytes) => {
      written.push(bytes);
      return isDone;
    },
    congested: false,
    drained: () => Promise.resolve(),
  };
  return { target, written };
}

function answerAll(output: WireOutput, tags: readonly string[]): void {
  for (const tag of tags) {
    output.complete(tag);
    output.flush();
  }
}

function tagIn(message: Uint8Array | undefined): string {
  return Buffer.from(message ?? [])
    .toString('latin1', 5)
    .replace('\0', '');
}

describe('WireOutput', () => {
  it('never writes over what its target has not sent yet', () => {
    const { target, written } = targetThat(false);
    const tags = ['INSERT 0 1', 'INSERT 0 2', 'SELECT 100', 'DELETE 0'];
    answerAll(new WireOutput(target), tags);
    expect(written.map(tagIn)).toEqual(tags);
  });

  it('writes one answer after the other into the same bytes when its target is done with them', () => {
    const { target, written } = targetThat(true);
    const seen: string[] = [];
    const output = new WireOutput({
      ...target,
      write: (bytes) => {
        seen.push(tagIn(bytes));
        return target.write(bytes);
      },
    });
    const tags = ['INSERT 0 1', 'INSERT 0 2', 'SELECT 100', 'DELETE 0', 'UPDATE 1'];
    answerAll(output, tags);
    expect(seen).toEqual(tags);
    expect(new Set(written.map(({ buffer }) => buffer)).size).toBe(1);
  });
});
