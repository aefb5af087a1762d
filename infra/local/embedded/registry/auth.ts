import { formatScope, type Access } from './access.ts';
import { RegistryError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { Tokens } from './tokens.ts';
import { basicCredentials, type BearerAuth, isKnown, type Users } from './users.ts';

interface BasicAuth {
  kind: 'basic';
  users: Users;
  /** Lets anyone pull, default false. */
  anonymousPull?: boolean;
  /** Narrows what a user may do; the rest answers 403. */
  allows?: (user: string, access: Access) => boolean;
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
