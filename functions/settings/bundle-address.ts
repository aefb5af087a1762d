import { TextSyntaxError } from '../text/text-syntax-error.ts';

/** Stands for a bundle that holds nothing: a plan then reports every image that Harness needs. */
export const noBundle = 'none';

/** Stands for standard output or standard input. */
export const stream = '-';

const maxLength = 4_096;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, and keys up to 1,024 bytes. */
const s3Address = /^s3:\/\/(?!.*\.\.)[a-z\d][a-z\d.-]{1,61}[a-z\d]\/(?!.*\/\/)[\w.!'()/-]{1,1024}$/;

/** Accepts the address of a bundle: a path, `s3://BUCKET/KEY`, or `-`. Throws `TextSyntaxError`. */
export function bundleAddress(text: string): string {
  if (text.length > maxLength) throw new TextSyntaxError(`it is longer than ${maxLength} characters`);
  if (/\p{Cc}/u.test(text)) throw new TextSyntaxError('it holds a control character');
  if (isInBucket(text)) {
    if (!s3Address.test(text) || text.endsWith('/'))
      throw new TextSyntaxError("it is not s3://BUCKET/KEY, with a key of letters, digits and _ . - ! ' ( )");
    return text;
  }
  if (/\.tar\.\d{3,}$/.test(text))
    throw new TextSyntaxError('it is one part of a bundle: name the bundle without the number, NAME.tar');
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(text)) throw new TextSyntaxError('only s3:// is supported');
  return text;
}

function isInBucket(address: string): boolean {
  return /^s3:/i.test(address);
}
