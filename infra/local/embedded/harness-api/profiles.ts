import type { Defaults } from './defaults.ts';
import type { Profile } from './profiles/profile.ts';
import { saas2023 } from './profiles/saas-2023.ts';
import { saas2026 } from './profiles/saas-2026.ts';
import { selfManaged } from './profiles/self-managed.ts';
import { defaultQuirks, type Quirks } from './quirks.ts';

const profiles = {
  'saas-2026': saas2026,
  'saas-2023': saas2023,
  'self-managed': selfManaged,
} satisfies Record<string, Profile>;

export type ProfileName = keyof typeof profiles;

export const profileNames = Object.keys(profiles) as ProfileName[];

/** The images of a profile. A fresh copy each time, so that `setDefault` in one test is not seen in another. */
export function officialDefaults(name: ProfileName = 'saas-2026'): Defaults {
  return structuredClone(profiles[name].defaults);
}

/** The behaviour of a profile, as a fresh copy. */
export function quirksOf(name: ProfileName = 'saas-2026'): Quirks {
  return { ...defaultQuirks(), ...structuredClone(profiles[name].quirks) };
}
