import { createHash, timingSafeEqual } from 'node:crypto';
import type { Access } from './access.ts';

/** Password by user name. */
export type Users = Readonly<Record<string, string>>;

export interface Credentials {
  user: string;
  password: string;
}

export interface BearerAuth {
  kind: 'bearer';
  users: Users;
  /** Gives tokens that can pull to anyone, default false. */
  anonymousPull?: boolean;
  /** Lifetime of a token in seconds, default 300. */
  tokenSeconds?: number;
  /** The token endpoint is on an origin of its own, as Docker Hub's is; default false. */
  separateHost?: boolean;
  /** Answers the POST flow, default true; else 404, and clients fall back to GET. */
  oauth2?: boolean;
  /**
   * Sends `expires_in` and `issued_at`. Default: true. Without them, a token is valid for 60 s by the specification.
   */
  announceExpiry?: boolean;
  /** Seconds by which the server's clock is ahead; seen in `issued_at`. */
  clockSkewSeconds?: number;
  /** The action `delete` is unknown: scopes with it answer 400, and DELETE needs pull and push. Default false. [Quay] */
  deletesByPush?: boolean;
  /** The scopes that count when a request has several. Default: all. [GitLab: last] */
  honouredScopes?: 'all' | 'first' | 'last';
  /** Narrows what a user (`undefined`: anyone) is granted. */
  allows?: (user: string | undefined, access: Access) => boolean;
}

export function basicCredentials(header: string | undefined): Credentials | undefined {
  const [, encoded] = /^basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const [user = '', ...password] = Buffer.from(encoded, 'base64').toString().split(':');
  return { user, password: password.join(':') };
}

export function isKnown(users: Users, { user, password }: Credentials): boolean {
  const expected = Object.hasOwn(users, user) ? users[user] : undefined;
  return expected !== undefined && timingSafeEqual(sha256(expected), sha256(password));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
