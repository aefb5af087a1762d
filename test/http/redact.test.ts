import { describe, expect, it } from '@jest/globals';
import { redacted } from '../../functions/http/redact.ts';

describe('what may be shown in logs', () => {
  it.each([
    ['https://x.example/blob?X-Amz-Signature=5f2e&Expires=9', 'https://x.example/blob…'],
    ['sent to https://ada:horse@reg.example/v2/, in vain', 'sent to https://reg.example/v2/,… in vain'],
    ['authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln==', 'authorization: Bearer …'],
    ['Basic YWRhOmhvcnNlLWJhdHRlcnk=', 'Basic …'],
    ['x-api-key pat.account.5f2e.S3cr3tT0ken is refused', 'x-api-key pat.… is refused'],
    ['sat.account.key.S3cr3tT0ken', 'sat.…'],
  ])('hides the secret of %j', (text, shown) => {
    expect(redacted(text)).toBe(shown);
  });

  it.each([
    'https://developer.harness.io/docs/platform#keys',
    'Basic scanning is off',
    'the compat.layer of harness/ci-addon:1.18.22',
    'sha256:0123456789abcdef',
  ])('leaves %j alone', (text) => {
    expect(redacted(text)).toBe(text);
  });
});
