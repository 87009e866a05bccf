// What otplib makes and accepts: one JSON request a line in, one JSON answer a line out. otp.py asks.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.argv[2]}/`); // the folder that node_modules is in
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { generateSync, generateURI, verifySync } = await load('otplib');
const { parse } = await load('@otplib/uri');

const options = ({ kind, secret, algorithm, digits, period }, at) => ({
  strategy: kind,
  secret: Uint8Array.from(secret),
  algorithm: algorithm.toLowerCase(),
  digits,
  ...(kind === 'totp' ? { period, epoch: at } : { counter: at }),
});

const operations = {
  codes: ({ given, at }) => at.map((each) => generateSync(options(given, each))),
  accepts: ({ given, pairs }) => pairs.map(([at, token]) => verifySync({ ...options(given, at), token }).valid),
  write: ({ given, base32 }) =>
    generateURI({
      ...{ strategy: given.kind, issuer: given.issuer, label: given.account, secret: base32 },
      ...{ algorithm: given.algorithm.toLowerCase(), digits: given.digits },
      ...(given.kind === 'totp' ? { period: given.period } : { counter: given.counter }),
    }),
  read: ({ uri }) => parse(uri),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...request } = JSON.parse(line);
  console.log(JSON.stringify(operations[op](request)));
}
