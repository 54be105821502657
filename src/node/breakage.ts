// What breaks a node: a disk that fails, an invariant that does not hold. It must not go on then, and whoever works in it
// is told, in the order in which they came to be.

export class Breakage {
  readonly #told: (error: Error) => void;
  readonly #listeners: ((reason: string) => void)[] = [];
  #reason: string | undefined;
  #interrupt: (error: Error) => void = () => undefined;
  /** Rejects then: a start waits for what a broken node never does. */
  readonly interrupted: Promise<never>;

  /** `told`: called at most once. */
  constructor(told: (error: Error) => void) {
    this.#told = told;
    this.interrupted = new Promise<never>((_resolve, reject) => {
      this.#interrupt = reject;
    });
    this.interrupted.catch(() => undefined);
  }

  /** Undefined: all is well. */
  get reason(): string | undefined {
    return this.#reason;
  }

  readonly broken = (failure: unknown): void => {
    if (this.#reason !== undefined) return;
    const error = failure instanceof Error ? failure : new Error(String(failure));
    this.#reason = error.message;
    // P35: whoever waits for a lock or an outcome is told now, for neither will come.
    for (const listener of this.#listeners) listener(this.#reason);
    this.#interrupt(error);
    this.#told(error);
  };

  onBroken(listener: (reason: string) => void): void {
    this.#listeners.push(listener);
  }

  /** What fails from now on breaks nothing. */
  stopped(): void {
    this.#reason ??= 'the node was stopped';
  }
}
