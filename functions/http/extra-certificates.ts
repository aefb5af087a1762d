import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isNativeError } from 'node:util/types';

/**
 * What is wrong with the file in `NODE_EXTRA_CA_CERTS`, as a sentence; `undefined` when nothing is, or none is named.
 * Node ignores a file that it cannot use, but for a warning when the process starts, which functions never show.
 */
export function unusableExtraCertificates(environment = process.env): string | undefined {
  const path = environment['NODE_EXTRA_CA_CERTS'];
  if (path === undefined || path === '') return undefined;
  try {
    new X509Certificate(readFileSync(path));
    return undefined;
  } catch (error) {
    const code = isNativeError(error) && 'code' in error ? String(error.code) : 'unknown';
    const isRead = code.startsWith('ERR_');
    return `Correct NODE_EXTRA_CA_CERTS: ${path} ${isRead ? 'is not a certificate in PEM' : 'cannot be read'} (${code}).`;
  }
}
