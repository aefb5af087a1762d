import { FactoryError } from '../errors.ts';
import { misplacedIn } from '../text/plain-text.ts';
import { keepSecret, withoutSecrets } from '../text/secrets.ts';

/** A Harness API key. The text is private, so that neither `inspect` nor `JSON.stringify` shows it. */
export class ApiKey {
  readonly #key: string;

  /** @throws {FactoryError} `InvalidConfiguration` when the text is no key that can be sent in a header. */
  constructor(text: string) {
    // Secrets read from files and consoles often end in a newline, or begin with a byte order mark.
    this.#key = text.trim();
    const found = flawIn(this.#key);
    if (found !== undefined) {
      const allowed = 'a personal access token (pat.…) or service account token (sat.…), without quotes';
      throw new FactoryError('InvalidConfiguration', `Harness API key: found ${found}, expected ${allowed}`, {
        hint: 'Put only the token into HARNESS_API_KEY, or into the secret that HARNESS_API_KEY_SECRET names.',
        problems: [{ path: 'HARNESS_API_KEY', found, allowed }],
      });
    }
    const secret = this.#key.slice(this.#key.lastIndexOf('.') + 1);
    // Keep a short last part visible: it is hardly a secret, and masking it would mask ordinary words.
    keepSecret(this.#key, ...(secret.length < 8 ? [] : [secret]));
  }

  /** Returns the only header that the API accepts for keys. `Authorization: Bearer` is for UI sessions. */
  headers(): Record<string, string> {
    return { 'x-api-key': this.#key };
  }

  /** Removes the key, and the secret at its end, from a server's text: servers and proxies echo headers. */
  redact(text: string): string {
    // `withoutSecrets` ignores short secrets, so remove a short key here.
    return withoutSecrets(text).replaceAll(this.#key, '***');
  }
}

/** Describes text that is not a key, without repeating any of it. */
function flawIn(text: string): string | undefined {
  if (text === '') return 'nothing';
  const misplaced = misplacedIn(text);
  if (misplaced !== undefined) return misplaced;
  if (/^[{[]/.test(text)) return 'a JSON document: one with several entries needs one that is named apiKey';
  const prefix = /^(?:Bearer\b|(?:x-api-key|authorization) *:|HARNESS_API_KEY *=)/i.exec(text)?.[0];
  if (prefix !== undefined) return `a key after "${prefix}"`;
  return /^[\x21-\x7e]+$/.test(text) ? undefined : 'blanks, line breaks or characters outside ASCII';
}
