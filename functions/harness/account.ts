/**
 * Returns the account of an API key. Personal access tokens have the form `pat.ACCOUNT.TOKEN.SECRET`, service account
 * tokens `sat.ACCOUNT.TOKEN.SECRET`. Returns `undefined` for other forms, such as older keys without an account.
 */
export function accountIdFromKey(apiKey: string): string | undefined {
  return /^[ps]at\.([\w-]+)\.[^.]+\.[^.]+$/.exec(apiKey.trim())?.[1];
}
