import { createHash, timingSafeEqual } from 'node:crypto';
import { FactoryError } from '../errors.ts';
import { keepSecret } from '../text/secrets.ts';

/** The token syntax of RFC 6750, section 2.1. The masked tokens of Harness's probes (`<<<…>>>`) do not match. */
const syntax = '[A-Za-z0-9._~+/-]{1,512}=*';
const bearer = new RegExp(`^Bearer +(${syntax})$`, 'i');

/** The minimum length of a token. The URL is public, so shorter tokens could be guessed. */
const shortest = 16;
const good = new RegExp(`^(?=.{${shortest}})${syntax}$`);

/**
 * Tokens are cached for `keptMs`. An unknown token reads the secret again, at most once per `calmMs`. In milliseconds.
 */
const keptMs = 60_000;
const calmMs = 5_000;

/** Returns the token of an `Authorization` header, or `undefined`. */
export function bearerToken(header: string | undefined): string | undefined {
  return bearer.exec(header ?? '')?.[1];
}

/**
 * The valid tokens: one, or two during a rotation. The secret holds them as `{"current": …, "previous": …}`, or one as
 * text.
 */
export class Tokens {
  readonly #read: () => Promise<string>;
  readonly #now: () => number;
  #digests: Buffer[] = [];
  #readAt = -Infinity;

  /** @param read returns the current content of the secret */
  constructor(read: () => Promise<string>, now: () => number = Date.now) {
    this.#read = read;
    this.#now = now;
  }

  /** Throws `InvalidConfiguration` when the secret cannot be read, or holds no token. */
  async accept(token: string): Promise<boolean> {
    const known = this.#age() < keptMs && this.#isKnown(token);
    // A new token must work at once, and guesses must not read the secret each time.
    if (!known && this.#age() >= calmMs) await this.#refresh();
    return known || this.#isKnown(token);
  }

  #age(): number {
    return this.#now() - this.#readAt;
  }

  /** Compares in constant time: all digests have one length, and each of them is compared. */
  #isKnown(token: string): boolean {
    const given = sha256(token);
    return this.#digests.filter((digest) => timingSafeEqual(digest, given)).length > 0;
  }

  async #refresh(): Promise<void> {
    const tokens = parseTokens(await this.#read());
    keepSecret(...tokens);
    this.#digests = tokens.map(sha256);
    this.#readAt = this.#now();
  }
}

function parseTokens(secret: string): string[] {
  const tokens = Object.entries(fieldsOf(secret)).filter(([, token]) => token !== undefined && token !== '');
  const usable = tokens.map(([, token]) => token).filter(isUsable);
  // No header can match a token of another syntax, so report it here.
  if (tokens.length > 0 && usable.length === tokens.length) return usable;
  const bad = tokens.filter(([, token]) => !isUsable(token)).map(([name]) => name);
  const found = bad.length === 0 ? 'no token' : `no usable ${bad.join(' and ')} token`;
  throw new FactoryError('InvalidConfiguration', `the secret of the webhook holds ${found}`, {
    hint: `Store {"current": "…"} in it, with a token of at least ${shortest} characters: letters, digits and - . _ ~ + /`,
  });
}

function isUsable(token: unknown): token is string {
  return typeof token === 'string' && good.test(token);
}

function fieldsOf(secret: string): { current?: unknown; previous?: unknown } {
  if (!secret.startsWith('{')) return { current: secret };
  try {
    const { current, previous } = JSON.parse(secret) as Record<string, unknown>;
    return { current, previous };
  } catch {
    return {};
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
