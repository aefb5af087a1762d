'use strict';

const { sep } = require('node:path');

/**
 * A filter of Jest. When the files that run several others are among those that it found, nothing else runs: each test
 * would run twice. A pattern on the command line finds the others alone.
 */
module.exports = (paths) => {
  const together = paths.filter((path) => path.includes(`${sep}test${sep}together${sep}`));
  return { filtered: together.length > 0 ? together : paths };
};
