import { FactoryError } from '../errors.ts';

/** A Harness API key. Private, so that neither `inspect` nor `JSON.stringify` shows it. */
export class ApiKey {
  readonly #key: string;

  /** @throws {FactoryError} `InvalidConfiguration` when the text cannot be sent as a header. */
  constructor(text: string) {
    // Secrets read from files and consoles tend to end in a newline.
    this.#key = text.trim();
    if (!/^[\x21-\x7e]+$/.test(this.#key)) {
      const found = this.#key === '' ? 'nothing' : 'blanks or characters outside ASCII';
      const allowed = 'a personal access token (pat.…) or service account token (sat.…)';
      throw new FactoryError('InvalidConfiguration', `Harness API key: found ${found}, allowed is ${allowed}`, {
        hint: 'Put the token alone into HARNESS_API_KEY, or into the secret that HARNESS_API_KEY_SECRET names.',
        problems: [{ path: 'HARNESS_API_KEY', found, allowed }],
      });
    }
  }

  /** The only authentication the API accepts for keys: `Authorization: Bearer` is for the sessions of the UI. */
  headers(): Record<string, string> {
    return { 'x-api-key': this.#key };
  }

  /** Takes the key, and the secret at its end, out of what a server sent: servers and proxies echo headers. */
  redact(text: string): string {
    const secret = this.#key.slice(this.#key.lastIndexOf('.') + 1);
    const withoutKey = text.replaceAll(this.#key, '***');
    // A short last part is no secret worth the name, and would blot out ordinary words.
    return secret.length < 8 ? withoutKey : withoutKey.replaceAll(secret, '***');
  }
}
