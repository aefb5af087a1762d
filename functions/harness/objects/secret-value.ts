import { keepSecret } from '../../text/secrets.ts';

/** The value of a text secret. It is private, so that neither `inspect` nor `JSON.stringify` shows it. */
export class SecretValue {
  readonly #text: string;

  /** @throws {TypeError} for an empty value, which Harness refuses. */
  constructor(text: string) {
    if (text === '') throw new TypeError('the value of a secret must not be empty');
    this.#text = text;
    keepSecret(text);
  }

  /** Returns the value, for the body of a request alone. */
  reveal(): string {
    return this.#text;
  }
}
