import { createHash, timingSafeEqual } from 'node:crypto';
import { FactoryError } from '../errors.ts';
import { keepSecret } from '../text/secrets.ts';

/** What a header can carry: RFC 6750, section 2.1. What Harness masks in its probes (`<<<…>>>`) is no token. */
const syntax = '[A-Za-z0-9._~+/-]{1,512}=*';
const bearer = new RegExp(`^Bearer +(${syntax})$`, 'i');

/** Shorter ones could be guessed: the address is public. */
const shortest = 16;
const good = new RegExp(`^(?=.{${shortest}})${syntax}$`);

/** How long tokens are kept, in milliseconds, and how long a token that is none of them does not make us look again. */
const keptMs = 60_000;
const calmMs = 5_000;

/** The token of an `Authorization` header; `undefined` when there is none. */
export function bearerToken(header: string | undefined): string | undefined {
  return bearer.exec(header ?? '')?.[1];
}

/**
 * The tokens that are good at the moment. While they are rotated, these are two: the secret holds them as
 * `{"current": …, "previous": …}`, or one alone as text.
 */
export class Tokens {
  readonly #read: () => Promise<string>;
  readonly #now: () => number;
  #digests: Buffer[] = [];
  #readAt = -Infinity;

  /** @param read what the secret holds at the moment */
  constructor(read: () => Promise<string>, now: () => number = Date.now) {
    this.#read = read;
    this.#now = now;
  }

  /** Throws `InvalidConfiguration` when the secret cannot be read, or holds no token. */
  async accept(token: string): Promise<boolean> {
    const known = this.#age() < keptMs && this.#isKnown(token);
    // One that was stored a moment ago must do; guesses must not make us read at every one.
    if (!known && this.#age() >= calmMs) await this.#refresh();
    return known || this.#isKnown(token);
  }

  #age(): number {
    return this.#now() - this.#readAt;
  }

  /** Takes the same time whatever the token: digests are of one length, and all of them are compared. */
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
  const bad = tokens.filter(([, token]) => typeof token !== 'string' || !good.test(token)).map(([name]) => name);
  // One that no header can match would be refused for ever, without a word.
  if (tokens.length > 0 && bad.length === 0) return tokens.map(([, token]) => token as string);
  const found = bad.length === 0 ? 'no token' : `no usable ${bad.join(' and ')} token`;
  throw new FactoryError('InvalidConfiguration', `the secret of the webhook holds ${found}`, {
    hint: `Store {"current": "…"} in it, with a token of at least ${shortest} characters: letters, digits and - . _ ~ + /`,
  });
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
