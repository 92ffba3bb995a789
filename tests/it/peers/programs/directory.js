// npm's proper-lockfile as a peer: directory.js hold|try FILE
// Ends with 75 if the lock is held by another, or cannot be cleared away.
"use strict";
const lockfile = require("proper-lockfile");

const [, , what, file] = process.argv;
const stale = 300 * 1000;

lockfile.lock(file, { stale, retries: 0 }).then(
  (release) => {
    if (what !== "hold") return release();
    process.stdin.on("end", release).resume();
    process.stdout.write("READY\n");
  },
  (error) => {
    console.error(error.code);
    process.exitCode = 75;
  },
);
