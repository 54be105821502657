// One at a time, the others in a line that has an end.

import { DbError } from '../base/errors.ts';

export class Turns {
  private readonly waitingMax: number;
  private isTaken = false;
  private readonly waiting: (() => void)[] = [];

  constructor(waitingMax: number) {
    this.waitingMax = waitingMax;
  }

  /** Resolves when it is the caller's turn, who must call what it gets once it is over. */
  async take(): Promise<() => void> {
    if (this.isTaken) {
      if (this.waiting.length >= this.waitingMax) {
        throw new DbError('53300', `${this.waitingMax} others wait for their turn already`);
      }
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    this.isTaken = true;
    return () => {
      const next = this.waiting.shift();
      if (next === undefined) this.isTaken = false;
      else next();
    };
  }
}
