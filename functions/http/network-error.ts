import { isNativeError } from 'node:util/types';
import type { Hint } from '../hint.ts';
import { printable } from '../text/printable.ts';
import { unusableExtraCertificates } from './extra-certificates.ts';

/** A failure below HTTP, described for a person, with a hint. */
export interface NetworkFailure extends Hint {
  code: string;
  text: string;
  /** True if the same request may succeed later. */
  transient: boolean;
  /** Set if a proxy failed, and not the server. */
  party?: 'proxy';
}

const nameTheCa = 'Name the file of its CA in NODE_EXTRA_CA_CERTS.';
/** Failures that a CA named in `NODE_EXTRA_CA_CERTS` could have prevented. */
const unknownCa: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);
const invalidChain = {
  text: 'TLS certificate of an unknown CA',
  hint: nameTheCa,
  topic: 'unknown-ca',
  transient: false,
} as const;
const handshakeRefused = {
  text: 'TLS handshake refused by the server',
  hint: 'If it requires a client certificate, store client.cert and client.key for this host.',
  topic: 'certificates',
  transient: false,
} as const;
const clientCertificateRefused = {
  text: 'TLS client certificate refused by the server',
  hint: 'Check client.cert and client.key of this host.',
  topic: 'certificates',
  transient: false,
} as const;
const clientCertificateExpired = {
  text: 'TLS client certificate refused by the server, because it has expired',
  hint: 'Renew client.cert and client.key of this host.',
  topic: 'certificates',
  transient: false,
} as const;

/** A connection that our configuration or policy forbids, or that exceeded a time limit. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  readonly code: string;
  readonly failure: NetworkFailure;

  constructor(
    code: string,
    { transient = false, ...described }: Omit<NetworkFailure, 'code' | 'transient'> & { transient?: boolean },
  ) {
    super(described.text);
    this.code = code;
    this.failure = { code, transient, ...described };
  }
}

const failures: Record<string, Omit<NetworkFailure, 'code'>> = {
  ECONNREFUSED: {
    text: 'connection refused',
    hint: 'Check the host and port, and that the server runs.',
    transient: true,
  },
  ECONNRESET: {
    text: 'connection reset by the server',
    hint: 'Try again. Check the proxies and firewalls in between.',
    transient: true,
  },
  EPIPE: {
    text: 'connection closed by the server while sending',
    hint: 'Try again. Check the proxies and firewalls in between.',
    transient: true,
  },
  ENOTFOUND: { text: 'host name not found', hint: 'Check the spelling of the host name, and DNS.', transient: false },
  EAI_AGAIN: { text: 'DNS did not respond', hint: 'Check the DNS resolver of this machine.', transient: true },
  EHOSTUNREACH: { text: 'no route to the host', hint: 'Check the network, VPN and firewall.', transient: true },
  ENETUNREACH: { text: 'network unreachable', hint: 'Check the network, VPN and firewall.', transient: true },
  ETIMEDOUT: { text: 'connection timed out', hint: 'Check the network, VPN and firewall.', transient: true },
  UND_ERR_CONNECT_TIMEOUT: {
    text: 'connection timed out',
    hint: 'Check the network, VPN and firewall.',
    transient: true,
  },
  UND_ERR_HEADERS_TIMEOUT: {
    text: 'no response within the time limit',
    hint: 'Try again. The server may be overloaded.',
    transient: true,
  },
  UND_ERR_BODY_TIMEOUT: {
    text: 'the response stalled',
    hint: 'Try again. The server or the network is slow.',
    transient: true,
  },
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: {
    text: 'the response is shorter or longer than its headers say',
    hint: 'Try again. Check the proxies and firewalls in between.',
    transient: true,
  },
  UND_ERR_HEADERS_OVERFLOW: {
    text: 'the headers of the response are larger than 16 KiB',
    hint: 'Check the host and port, and what proxies in between add to responses.',
    transient: false,
  },
  UND_ERR_SOCKET: {
    text: 'connection broken',
    hint: 'Try again. Check the proxies and firewalls in between.',
    transient: true,
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: {
    text: 'self-signed TLS certificate',
    hint: nameTheCa,
    topic: 'unknown-ca',
    transient: false,
  },
  SELF_SIGNED_CERT_IN_CHAIN: invalidChain,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: invalidChain,
  UNABLE_TO_GET_ISSUER_CERT: invalidChain,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: invalidChain,
  // OpenSSL 3.5 and later; earlier versions use SSLV3 instead of SSL/TLS.
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE': handshakeRefused,
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: handshakeRefused,
  'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE': clientCertificateRefused,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: clientCertificateRefused,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: clientCertificateRefused,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: handshakeRefused,
  'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED': clientCertificateExpired,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: clientCertificateExpired,
  CERT_HAS_EXPIRED: {
    text: 'expired TLS certificate',
    hint: 'Renew the certificate of the server or of its CA, and check the clock of this machine.',
    transient: false,
  },
  CERT_NOT_YET_VALID: {
    text: 'TLS certificate that is not valid yet',
    hint: 'Check the clocks of this machine and of the server.',
    transient: false,
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    text: 'TLS certificate for another host',
    hint: 'Use the name the certificate was issued for.',
    transient: false,
  },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    text: 'the server does not speak TLS on this port',
    hint: 'Check the port.',
    topic: 'no-tls',
    transient: false,
  },
};

/** Describes a TLS failure that has no entry in `failures`. */
function tlsFailed(code: string): Omit<NetworkFailure, 'code'> {
  const hint = 'Check the TLS versions and certificates of the server, and the proxies in between.';
  return { text: `TLS failed (${code})`, hint, transient: false };
}

/** Describes an error of the network or of undici. Returns `undefined` for any other error. */
export function networkFailure(error: unknown): NetworkFailure | undefined {
  // Not `instanceof`: in a VM context the errors of Node.js modules belong to another realm.
  for (let e = error, depth = 0; isNativeError(e) && depth < 5; depth++) {
    if (e instanceof NetworkError) return e.failure;
    const code = 'code' in e && typeof e.code === 'string' ? e.code : '';
    const known = Object.hasOwn(failures, code) && failures[code];
    if (known) return { code, ...known, ...more(code, e) };
    if (/^ERR_(?:SSL|TLS)_/.test(code)) return { code, ...tlsFailed(code) };
    // Happy eyeballs reports one error per address; they agree in practice.
    e = 'errors' in e && Array.isArray(e.errors) && e.errors.length > 0 ? (e.errors[0] as unknown) : e.cause;
  }
  return undefined;
}

/** Adds details from the error and from this machine. */
function more(code: string, error: Error): Partial<NetworkFailure> {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' && 'reason' in error && typeof error.reason === 'string') {
    return { text: `TLS certificate for another host (${printable(error.reason)})` };
  }
  const complaint = unknownCa.has(code) ? unusableExtraCertificates() : undefined;
  return complaint === undefined ? {} : { hint: `${complaint} ${nameTheCa}` };
}
