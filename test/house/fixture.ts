import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

export const repository: string = resolve(import.meta.dirname, '../..');

/**
 * A tree outside the repository with the repository's own configuration files and dependencies:
 * here a test plants a violation and sees whether the tool that must catch it does.
 */
export class FixtureTree implements Disposable {
  readonly root: string = mkdtempSync(join(tmpdir(), 'meridian-house-'));

  constructor(configurationFiles: readonly string[], files: Readonly<Record<string, string>>) {
    symlinkSync(join(repository, 'node_modules'), join(this.root, 'node_modules'), 'dir');
    for (const name of ['package.json', ...configurationFiles]) {
      copyFileSync(join(repository, name), join(this.root, name));
    }
    for (const [path, text] of Object.entries(files)) {
      const target = join(this.root, path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
