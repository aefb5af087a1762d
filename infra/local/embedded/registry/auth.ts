import { timingSafeEqual, createHash } from 'node:crypto';
import { formatScope, type Access } from './access.ts';
import { RegistryError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { Tokens } from './tokens.ts';

/** Password by user name. */
export type Users = Readonly<Record<string, string>>;

export interface Credentials {
  user: string;
  password: string;
}

interface BasicAuth {
  kind: 'basic';
  users: Users;
  /** Lets anyone pull, default false. */
  anonymousPull?: boolean;
  /** Narrows what a user may do; the rest answers 403. */
  allows?: (user: string, access: Access) => boolean;
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
  /** `expires_in` and `issued_at` are told, default true; without them a token lives 60 s by the book. */
  announceExpiry?: boolean;
  /** How far the server's clock is ahead, in seconds; seen in `issued_at`. */
  clockSkewSeconds?: number;
  /** Which of several scopes count, default all. [GitLab: last] */
  honouredScopes?: 'all' | 'first' | 'last';
  /** Narrows what a user (`undefined`: anyone) is granted. */
  allows?: (user: string | undefined, access: Access) => boolean;
}

export type AuthOptions = { kind: 'none' } | BasicAuth | BearerAuth;

/** Lets a request through or throws 401 with a challenge, 403 when the credentials are good but not for this. */
export function authorize(options: AuthOptions, tokens: Tokens, exchange: Exchange, needed: readonly Access[]): void {
  if (options.kind === 'none') return;
  if (options.kind === 'bearer') return authorizeBearer(tokens, exchange, needed);
  const header = exchange.header('authorization');
  const pulls = needed.length > 0 && needed.every(({ action }) => action === 'pull');
  if (header === undefined && options.anonymousPull && pulls) return;
  const credentials = basicCredentials(header);
  if (!credentials || !isKnown(options.users, credentials)) throw unauthorized('Basic realm="embedded registry"');
  const { allows } = options;
  if (allows && !needed.every((access) => allows(credentials.user, access)))
    throw new RegistryError(403, 'DENIED', 'requested access to the resource is denied');
}

function authorizeBearer(tokens: Tokens, exchange: Exchange, needed: readonly Access[]): void {
  const [scheme = '', token = ''] = (exchange.header('authorization') ?? '').split(' ');
  const verdict = scheme.toLowerCase() === 'bearer' ? tokens.judge(token, needed) : 'missing';
  if (verdict === 'good') return;
  const scope = needed.length > 0 ? `,scope="${formatScope(needed)}"` : '';
  const error = verdict === 'missing' ? '' : `,error="${verdict}"`;
  throw unauthorized(`Bearer realm="${tokens.realm}",service="${tokens.service}"${scope}${error}`);
}

function unauthorized(challenge: string): RegistryError {
  const headers = { 'www-authenticate': challenge };
  return new RegistryError(401, 'UNAUTHORIZED', 'authentication required', { headers });
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
