'use strict';
// Ends the process with one line on a Node.js that is too old. Written so that one of the year 2015 can read it.

/* global neededNode */
// Given by the build. The sources are TypeScript, which Node.js 24 runs as it stands.
var needed = typeof neededNode === 'undefined' ? '24.0' : neededNode;
var least = needed.split('.').map(Number);
var found = process.versions.node.split('.').map(Number);
if (found[0] < least[0] || (found[0] === least[0] && found[1] < least[1])) {
  var running = 'Node.js ' + found.join('.') + ' (' + process.execPath + ')';
  // At once: a pipe on Windows loses what is not written yet when the process ends.
  require('fs').writeSync(2, 'factory needs Node.js ' + needed + ' or newer; this is ' + running + '\n');
  process.exit(2);
}
