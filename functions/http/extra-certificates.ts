import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isNativeError } from 'node:util/types';

/**
 * Describes the problem with the file in `NODE_EXTRA_CA_CERTS` as a sentence. Returns `undefined` without a problem.
 * Node.js ignores an unusable file and only prints a warning at the start, which Lambda functions never show.
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
