// A contender for the waiting bench, with npm's proper-lockfile: contend.js WAY PATH HOLD_US MS
"use strict";
const fs = require("fs");
const readline = require("readline");
const lockfile = require("proper-lockfile");

const [, , , path, holdUs, ms] = process.argv;
const now = () => process.hrtime.bigint();
const sleep = (us) => new Promise((done) => setTimeout(done, us / 1000));

async function main() {
  fs.closeSync(fs.openSync(path, "a"));
  const used = process.cpuUsage();
  const end = now() + BigInt(ms) * 1000000n;
  const log = [];
  while (now() < end) {
    const requested = now();
    const retries = { retries: 10000, factor: 1.5, minTimeout: 1, maxTimeout: 50 };
    const release = await lockfile.lock(path, { retries });
    const acquired = now();
    await sleep(Number(holdUs));
    log.push([requested, acquired, now()]);
    await release();
    await sleep(Number(holdUs) / 2);
  }
  const { user, system } = process.cpuUsage(used);
  for (const times of log) console.log(times.join(" "));
  console.log("used", user + system);
}

const lines = readline.createInterface({ input: process.stdin });
lines.once("line", () => {
  lines.close();
  main();
});
console.log("ready");
