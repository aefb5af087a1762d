import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { advice, advise } from '../functions/advice.ts';
import { FactoryError } from '../functions/errors.ts';
import type { Topic } from '../functions/hint.ts';
import { inputKeys } from '../functions/settings/input-schema.ts';
import { variableNames } from './docs/reference/page.ts';

const topics = Object.keys(advice) as Topic[];
const libraries = ['oci', 'http'].map((room) => join(import.meta.dirname, '../functions', room));

describe('the advice of the product', () => {
  it('adds another cure to the hint of a library', () => {
    const error = new FactoryError('PushRefused', 'HTTP 403', { hint: 'Raise the quota at r.io.', topic: 'quota' });
    expect(error.hint).toBe('Raise the quota at r.io.');
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'PushRefused',
      message: 'HTTP 403',
      hint: 'Raise the quota at r.io, or run sync with "prune": true.',
    });
  });

  it('adds a sentence that names the setting', () => {
    expect(advise('Check the port.', 'no-tls')).toBe(
      'Check the port. List a registry without TLS in INSECURE_REGISTRIES.',
    );
  });

  it('leaves a hint without a topic as it is', () => {
    expect(advise('Log in.', undefined)).toBe('Log in.');
  });

  it.each(topics)('names only keys and variables that exist, on the topic %s', (topic) => {
    const text = advise('Do it.', topic);
    for (const [, key = ''] of text.matchAll(/"([a-z_]+)"/g)) expect([...inputKeys(), 'off']).toContain(key);
    for (const [name] of text.matchAll(/\b[A-Z]+_[A-Z_]+\b/g)) expect(variableNames()).toContain(name);
    expect(text).toMatch(/"[a-z_]+"|\b[A-Z]+_[A-Z_]+\b/);
  });

  it.each(topics)('completes a hint of a library on the topic %s', (topic) => {
    const sources = libraries.flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => readFileSync(join(folder, file), 'utf8')),
    );
    expect(sources.some((text) => text.includes(`'${topic}'`))).toBe(true);
  });
});
