import type { IncomingHttpHeaders } from 'node:http';
import type { KeyGrant } from './authentication.ts';
import type { Defaults } from './defaults.ts';
import type { Quirks } from './quirks.ts';
import type { AccountState } from './state.ts';

/** A request that has been authenticated and routed. */
export interface ApiRequest {
  grant: KeyGrant;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: string;
  account: AccountState;
  defaults: Defaults;
  quirks: Quirks;
}
