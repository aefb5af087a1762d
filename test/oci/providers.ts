import type { CredentialProvider, Credentials, Login } from '../../functions/oci/registry/auth/credentials.ts';

/** A provider of one login that never changes. */
export function always(credentials: Credentials): CredentialProvider {
  return reading(async () => credentials);
}

/** A provider of one login. */
export function reading(credentials: Login['credentials']): CredentialProvider {
  return { logins: async () => [{ name: 'the login of the test', credentials }] };
}
