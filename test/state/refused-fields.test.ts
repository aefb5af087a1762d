import { expect, it } from '@jest/globals';
import { noteRefusedFields, readRefusedFields, refusedOn, wasRefused } from '../../functions/state/refused-fields.ts';
import { MemoryStore } from './memory-store.ts';

const field = { module: 'ci', infrastructureType: 'VM', field: 'slsaVerificationTag' } as const;

it('holds a refused field back for 30 days, and remembers the refusal for ever', async () => {
  const store = new MemoryStore();
  await noteRefusedFields(store, [], new Date());
  expect(store.objects.size).toBe(0);
  await noteRefusedFields(store, [field], new Date('2026-01-01T12:00:00Z'));
  const refused = await readRefusedFields(store);
  expect(refusedOn(refused, field, new Date('2026-01-31T11:00:00Z'))).toBe('2026-01-01');
  expect(refusedOn(refused, field, new Date('2026-01-31T13:00:00Z'))).toBeUndefined();
  expect(wasRefused(refused, field)).toBe(true);
  expect(wasRefused(refused, { ...field, infrastructureType: 'K8' })).toBe(false);
  expect(wasRefused(refused, { ...field, field: 'constructor' })).toBe(false);
});
