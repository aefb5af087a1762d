'use strict';

const path = require('node:path');
const { testFiles } = require('./files.ts');

/**
 * A filter of Jest, which calls it with the files of each project that match the command line. Files that run others would run
 * their tests a second time, so they are left out, unless the others would all run.
 */
module.exports = (paths) => {
  const together = paths.filter((file) => file.includes(`${path.sep}test${path.sep}together${path.sep}`));
  const others = paths.filter((file) => !together.includes(file));
  const [project] = path.basename(together[0] ?? '').split('-');
  const isAll = others.length === 0 || others.length === testFiles()[project]?.length;
  return { filtered: isAll && together.length > 0 ? together : others };
};
