import { describe, expect, it } from '@jest/globals';
import { hoursSinceSync } from '../../functions/overdue/overdue.ts';
import { noteSync } from '../../functions/state/last-sync.ts';
import { MemoryStore } from '../state/memory-store.ts';

const first = new Date('2026-11-01T02:00:00Z');
const later = (hours: number) => new Date(first.getTime() + hours * 3_600_000);

describe('the age of the last sync', () => {
  it('counts from the first check until a sync succeeds', async () => {
    const store = new MemoryStore();
    expect(await hoursSinceSync(store, first)).toBe(0);
    expect(await hoursSinceSync(store, later(180.5))).toBe(180.5);
  });

  it('counts from the last sync that succeeded', async () => {
    const store = new MemoryStore();
    await hoursSinceSync(store, first);
    await noteSync(store, later(3));
    await noteSync(store, later(10));
    // A run that began earlier may end later.
    await noteSync(store, later(9));
    expect(await hoursSinceSync(store, later(12))).toBe(2);
  });

  it('never counts below zero, whatever the clocks of two functions show', async () => {
    const store = new MemoryStore();
    await noteSync(store, later(1));
    expect(await hoursSinceSync(store, first)).toBe(0);
  });

  it('fails when the document is damaged, so that the alarm has no data', async () => {
    const store = new MemoryStore();
    await store.put('last-sync.json', new TextEncoder().encode('{'));
    await expect(hoursSinceSync(store, first)).rejects.toMatchObject({ name: 'StoreFailed' });
  });
});
