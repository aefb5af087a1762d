import { describe, expect, it } from '@jest/globals';
import { changesInWords, partsOf } from '../../functions/overrides/change-words.ts';

const ours = 'registry.example.com/mirror';
const change = (field: string, from: string | null, to: string | null, infrastructureType: 'K8' | 'VM' = 'K8') => ({
  module: 'ci' as const,
  infrastructureType,
  field,
  from,
  to,
});

describe('changes in words', () => {
  it('count the fields that get an override, with their place', () => {
    const changes = ['a', 'b', 'c'].map((field) => change(field, null, `${ours}/harness/${field}:1`));
    expect(changesInWords(changes)).toBe(`3 fields of ci K8 → ${ours}`);
  });

  it('name the versions of images that stay where they are, once for all configurations', () => {
    const update = (name: string, scope?: 'VM') =>
      change(`${name}Tag`, `${ours}/harness/${name}:1.18.22`, `${ours}/harness/${name}:1.18.27`, scope);
    expect(changesInWords([update('ci-addon'), update('ci-lite-engine'), update('ci-addon', 'VM')])).toBe(
      'ci-addon, ci-lite-engine 1.18.22 → 1.18.27',
    );
  });

  it('name digests that follow each other', () => {
    expect(changesInWords([change('a', `${ours}/plugins/x@sha256:1`, `${ours}/plugins/x@sha256:2`)])).toBe(
      'x sha256:1 → sha256:2',
    );
  });

  it('name the registry that a field moves from and to', () => {
    expect(changesInWords([change('a', 'old.example.com/harness/x:1', `${ours}/harness/x:1`)])).toBe(
      `1 field of ci K8: old.example.com → ${ours}`,
    );
  });

  it("count the fields that are Harness's again", () => {
    expect(changesInWords([change('a', `${ours}/harness/a:1`, null), change('b', `${ours}/harness/b:1`, null)])).toBe(
      "2 fields of ci K8 → Harness's own",
    );
  });

  it('say of values without a registry that each connector adds its own', () => {
    expect(changesInWords([change('a', null, 'harness/a:1')])).toBe("1 field of ci K8 → each connector's registry");
  });

  it('name the largest groups first, and count the fields of the others', () => {
    const updates = [1, 2, 3, 4, 5].map((n) =>
      change(`u${n}`, `${ours}/harness/u${n}:${n}`, `${ours}/harness/u${n}:9`),
    );
    const first = [change('a', null, `${ours}/harness/a:1`), change('b', null, `${ours}/harness/b:1`)];
    expect(changesInWords([...updates, ...first])).toBe(
      `2 fields of ci K8 → ${ours}; u1 1 → 9; u2 2 → 9; 3 more fields`,
    );
  });
});

it.each([
  ['harness/ci-addon:1', { place: '', name: 'harness/ci-addon', version: '1' }],
  [`${ours}/harness/ci-addon:1`, { place: ours, name: 'harness/ci-addon', version: '1' }],
  ['localhost:5000/harness/a@sha256:9f', { place: 'localhost:5000', name: 'harness/a', version: 'sha256:9f' }],
  ['ci-addon', { place: '', name: 'ci-addon', version: '' }],
])('divides %s into place, name and version', (value, parts) => {
  expect(partsOf(value)).toEqual(parts);
});
