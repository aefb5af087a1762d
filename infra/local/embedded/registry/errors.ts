/** The spec's error codes (distribution-spec, "Error Codes"), and those that registries added. */
export type ErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'CONTENT_LENGTH_INVALID'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'GOOGLE_MANIFEST_DANGLING_TAG'
  | 'ImageTagAlreadyExists'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'PAGINATION_NUMBER_INVALID'
  | 'RANGE_INVALID'
  | 'ReferencedImagesNotFound'
  | 'SIZE_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAUTHORIZED'
  | 'UNKNOWN'
  | 'UNSUPPORTED';

/** An answer other than success; thrown by handlers and written by the server as the spec's JSON. */
export class RegistryError extends Error {
  readonly status: number;
  readonly code: ErrorCode;
  readonly headers: Record<string, string>;
  readonly detail: unknown;
  /** Sends the message as plain text, like front ends that do not know the specification. */
  readonly plainText: boolean;

  constructor(
    status: number,
    code: ErrorCode,
    message: string,
    more: { headers?: Record<string, string>; detail?: unknown; plainText?: boolean } = {},
  ) {
    super(message);
    this.name = 'RegistryError';
    this.status = status;
    this.code = code;
    this.headers = more.headers ?? {};
    this.detail = more.detail;
    this.plainText = more.plainText ?? false;
  }

  /** The body the spec prescribes. */
  toJSON(): { errors: { code: ErrorCode; message: string; detail?: unknown }[] } {
    const detail = this.detail === undefined ? {} : { detail: this.detail };
    return { errors: [{ code: this.code, message: this.message, ...detail }] };
  }
}
