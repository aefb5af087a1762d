import { describe, expect, it } from '@jest/globals';
import { changelogSection } from '../../infra/release/changelog-section.ts';

const changelog = `# Changelog

## Unreleased (0.3.0)

### Added

- New.

## 0.2.0

- Old.
`;

describe('the section of a changelog', () => {
  it('ends before the next version', () => {
    expect(changelogSection(changelog, '0.3.0')).toBe('### Added\n\n- New.\n');
  });

  it('may be the last one', () => {
    expect(changelogSection(changelog, '0.2.0')).toBe('- Old.\n');
  });

  it('must exist', () => {
    expect(() => changelogSection(changelog, '0.2')).toThrow('docs/changelog.md has no section of 0.2: add "## 0.2"');
  });
});
