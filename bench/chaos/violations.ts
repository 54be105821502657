// What was found to be wrong. Safety ends the run at once, for what follows would only hide it; the rest is kept until
// its end.

export interface Violation {
  readonly isFatal: boolean;
  readonly text: string;
}

/** Of those that are not fatal. */
const KEPT_MAX = 50;

export class Violations {
  readonly found: Violation[] = [];
  readonly #say: (line: string) => void;
  #stop: () => void = () => {};
  /** Resolves at the first fatal one. */
  readonly fatal: Promise<void>;

  constructor(say: (line: string) => void) {
    this.#say = say;
    this.fatal = new Promise((resolve) => {
      this.#stop = resolve;
    });
  }

  get isFatal(): boolean {
    return this.found.some((one) => one.isFatal);
  }

  add(text: string, isFatal = true): void {
    if (!isFatal && this.found.length >= KEPT_MAX) return;
    this.found.push({ isFatal, text });
    this.#say(`VIOLATION ${text}`);
    if (isFatal) this.#stop();
  }
}
