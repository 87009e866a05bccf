// The exchange with the npm peer: jose. See README.md beside this file; the Python peers' side is peers.py.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    modules: { type: 'string' }, // the folder that node_modules is in
    seed: { type: 'string' },
    count: { type: 'string', default: '1000' }, // sets of claims each way
    'self-test': { type: 'boolean', default: false }, // expect some wrong things, which must be noticed
  },
});
const seed = Number(given.seed);
const count = Number(given.count);
if (positionals.length !== 1 || !given.modules || !Number.isSafeInteger(seed) || !(count >= 2)) {
  throw new Error('usage: peers.mjs PROGRAM --modules FOLDER --seed N [--count N] [--self-test]');
}
const jose = await import(pathToFileURL(createRequire(`${given.modules}/`).resolve('jose')));

const ISSUER = 'https://auth.example.com';
const AUDIENCE = 'orders';
// Every algorithm of fountain, and jose knows them all.
const ALGORITHMS = [
  ...['EdDSA', 'Ed25519', 'ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['HS256', 'HS384', 'HS512'],
];
const isSymmetric = (alg) => alg.startsWith('HS');
const REQUIRED = ['iss', 'sub', 'aud', 'client_id', 'jti', 'iat', 'exp'];
const LEFT_OUT = ['jose: integers beyond 2^53 in private claims: a number of JavaScript does not hold them'];

// The Rust program on the other end of two pipes.
const fountain = spawn(positionals[0], { stdio: ['pipe', 'pipe', 'inherit'] });
const answers = createInterface({ input: fountain.stdout })[Symbol.asyncIterator]();

async function ask(op, request = {}) {
  fountain.stdin.write(`${JSON.stringify({ op, ...request })}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error(`fountain's side ended while it was asked to ${op}`);
  const answer = JSON.parse(value);
  if (answer.error !== undefined) throw new Error(`fountain cannot ${op}: ${answer.error}`);
  return answer;
}

// Counts, and says each disagreement; in a self-test, some of what is expected is wrong on purpose.
const counts = { exchanged: 0, passed: 0, failed: 0, planted: 0, noticed: 0, others: 0 };
const plant = (expected, wrong) => (given['self-test'] ? wrong(expected) : expected);

function line(what, size, verdict, disagreements) {
  let good = disagreements.length === 0 && size > 0;
  if (given['self-test']) {
    counts.planted += 1;
    counts.noticed += Math.min(disagreements.length, 1);
    counts.others += Math.max(disagreements.length - 1, 0);
    good = disagreements.length === 1;
    verdict = good ? 'with 1 wrong expectation' : `noticed ${disagreements.length}, not 1`;
  }
  counts[good ? 'passed' : 'failed'] += 1;
  console.log(`${what} ${size} ${good || given['self-test'] ? verdict : 'DISAGREE'}`);
  if (!good) disagreements.slice(0, 3).forEach((disagreement) => console.log(`    ${disagreement}`));
}

const brief = (claims) => JSON.stringify(claims).slice(0, 400);

// A list of one audience says what the audience alone says (RFC 7519 section 4.1.3).
const oneForm = (claims) =>
  Array.isArray(claims.aud) && claims.aud.length === 1 ? { ...claims, aud: claims.aud[0] } : claims;

function checkValid(what, claims, results) {
  const expected = plant(claims, ([first, ...rest]) => [{ ...first, sub: `${first.sub}x` }, ...rest]);
  const disagreements = expected.length === results.length ? [] : [`${results.length} results`];
  results.forEach((result, at) => {
    if (result.claims === undefined) {
      disagreements.push(`refused (${result.refused}): ${brief(expected[at])}`);
    } else if (!isDeepStrictEqual(oneForm(expected[at]), oneForm(result.claims))) {
      disagreements.push(`read ${brief(result.claims)} from ${brief(expected[at])}`);
    }
  });
  counts.exchanged += results.length;
  line(what, claims.length, 'ok', disagreements);
}

async function checkBad(what, tokens, impostor, faulty, verify) {
  const tampered = (await ask('tamper', { tokens: tokens.slice(0, 2) })).tokens;
  const cases = [...tampered, ...faulty, { name: 'signed by another key', token: impostor }];
  // In a self-test a good token stands among the bad ones.
  const bad = plant(cases, (all) => [...all, { name: 'good', token: tokens[0] }]);
  const results = await verify(bad.map(({ token }) => token));
  const accepted = bad.filter((_, at) => results[at].refused === undefined);
  line(`${what} tampered`, bad.length, 'refused', accepted.map(({ name }) => `${name}: accepted`));
}

function checkThumbprint(what, ours, theirs) {
  const expected = plant(theirs, (thumbprint) => [...thumbprint].reverse().join(''));
  line(`${what}: thumbprint`, 1, 'equal', expected === ours ? [] : [`${ours} and ${expected}`]);
}

// Fountain has no algorithm that is missing here, and the other way round.
async function checkAlgorithms() {
  const expected = new Set(plant(ALGORITHMS, (all) => all.slice(1)));
  const theirs = new Set((await ask('algorithms')).algorithms);
  const odd = [...ALGORITHMS, ...theirs].filter((alg) => expected.has(alg) !== theirs.has(alg));
  line('algorithms of fountain', ALGORITHMS.length, 'listed', [...new Set(odd)]);
}

// Our tokens, with the key set as it is published, or the shared secret.
async function oursToPeer(alg, texts, claims, faults) {
  const made = await ask('key', { name: 'ours', alg });
  await ask('key', { name: 'impostor', alg, kid: made.kid });
  let key;
  if (isSymmetric(alg)) {
    key = Buffer.from(made.secret, 'hex');
  } else {
    // A second key in the set, so that the right one has to be found.
    await ask('key', { name: 'other', alg: alg === 'ES256' ? 'EdDSA' : 'ES256' });
    const published = (await ask('jwks', { names: ['other', 'ours'] })).jwks;
    key = jose.createLocalJWKSet(JSON.parse(published));
    const thumbprint = await jose.calculateJwkThumbprint(JSON.parse(made.jwk));
    checkThumbprint(`${alg} fountain's key, by jose`, made.kid, thumbprint);
  }
  const rules = { algorithms: [alg], issuer: ISSUER, audience: AUDIENCE, typ: 'at+jwt', requiredClaims: REQUIRED };
  const verify = async (tokens) => {
    const results = [];
    for (const token of tokens) {
      const read = jose.jwtVerify(token, key, rules);
      results.push(await read.then(({ payload }) => ({ claims: payload }), (why) => ({ refused: String(why) })));
    }
    return results;
  };
  const issue = async (name, claims) => (await ask('issue', { name, claims })).tokens;

  const tokens = await issue('ours', texts);
  checkValid(`${alg} fountain->jose`, claims, await verify(tokens));
  const [impostor] = await issue('impostor', texts.slice(0, 1));
  const signed = await issue('ours', faults.map((fault) => fault.claims));
  const faulty = faults.map(({ name }, at) => ({ name, token: signed[at] }));
  await checkBad(`${alg} fountain->jose`, tokens, impostor, faulty, verify);
}

// The peer's tokens, with the key as the peer writes it.
async function peerToOurs(alg, claims, faults) {
  const generate = async () => {
    if (isSymmetric(alg)) {
      const secret = Buffer.from((await ask('key', { name: 'secret', alg })).secret, 'hex');
      return { privateKey: secret, jwk: await jose.exportJWK(secret) };
    }
    // RSA keys have 2048 bits unless more are asked for: the least that is accepted.
    const pair = await jose.generateKeyPair(alg, { extractable: true });
    return { privateKey: pair.privateKey, jwk: await jose.exportJWK(pair.publicKey) };
  };
  const { privateKey, jwk } = await generate();
  const impostorKey = (await generate()).privateKey;
  let kid = 'of-a-peer';
  if (!isSymmetric(alg)) {
    kid = await jose.calculateJwkThumbprint(jwk);
    const { thumbprint } = await ask('thumbprint', { alg, jwk: JSON.stringify(jwk) });
    checkThumbprint(`${alg} jose's key, by fountain`, thumbprint, kid);
  }
  const jwks = JSON.stringify({ keys: [{ ...jwk, alg, kid }] });
  const verify = async (tokens) => {
    const { results } = await ask('verify', { alg, jwks, tokens });
    return results.map((result) => (result.refused === undefined ? { claims: JSON.parse(result.claims) } : result));
  };
  const sign = (key, payload) => new jose.SignJWT(payload).setProtectedHeader({ alg, typ: 'at+jwt', kid }).sign(key);

  const tokens = [];
  for (const payload of claims) tokens.push(await sign(privateKey, payload));
  checkValid(`${alg} jose->fountain`, claims, await verify(tokens));
  const impostor = await sign(impostorKey, claims[0]);
  const faulty = [];
  for (const { name, claims } of faults) faulty.push({ name, token: await sign(privateKey, JSON.parse(claims)) });
  await checkBad(`${alg} jose->fountain`, tokens, impostor, faulty, verify);
}

const pinned = JSON.parse(readFileSync(new URL('package.json', import.meta.url))).dependencies;
console.log(`peers: jose==${pinned.jose}; seed ${seed}`);
await checkAlgorithms();
for (const [at, alg] of ALGORITHMS.entries()) {
  const texts = (await ask('claims', { seed: seed + 1000 + at, count, wide: false })).claims;
  const claims = texts.map((text) => JSON.parse(text));
  const { faults } = await ask('faults');
  await oursToPeer(alg, texts, claims, faults);
  await peerToOurs(alg, claims, faults);
}
fountain.stdin.end();
LEFT_OUT.forEach((reason) => console.log(`LEFT OUT: ${reason}`));
if (given['self-test']) {
  console.log(`self-test: ${counts.planted} wrong expectations, ${counts.noticed} noticed, ${counts.others} others`);
}
console.log(`${counts.exchanged} tokens of random claims`);
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
