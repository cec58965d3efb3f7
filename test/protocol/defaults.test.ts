/** Where things are when nobody said otherwise. */
import { test } from 'tap'
import { secretPath, socketPath, storePath, userName } from '../../protocol/defaults.ts'

test('without any XDG variable everything is under the home directory', async t => {
  t.equal(socketPath({}, '/home/ada'), '/home/ada/.local/state/tally/tally.sock')
  t.equal(storePath({}, '/home/ada'), '/home/ada/.local/share/tally')
  t.equal(secretPath({}, '/home/ada'), '/home/ada/.config/tally/secret')
})

test('XDG variables come first', async t => {
  const env = { XDG_RUNTIME_DIR: '/run/user/1000', XDG_DATA_HOME: '/data/', XDG_CONFIG_HOME: '/etc/ada' }
  t.equal(socketPath(env, '/home/ada'), '/run/user/1000/tally/tally.sock')
  t.equal(storePath(env, '/home/ada'), '/data/tally')
  t.equal(secretPath(env, '/home/ada'), '/etc/ada/tally/secret')
})

test('an empty or relative XDG variable is ignored, as its specification says', async t => {
  for (const value of ['', 'run', './run']) {
    const env = { XDG_RUNTIME_DIR: value, XDG_DATA_HOME: value, XDG_CONFIG_HOME: value }
    t.equal(socketPath(env, '/home/ada'), socketPath({}, '/home/ada'))
    t.equal(storePath(env, '/home/ada'), storePath({}, '/home/ada'))
    t.equal(secretPath(env, '/home/ada'), secretPath({}, '/home/ada'))
  }
})

test('a user is the decimal digits of the numeric id', async t => {
  t.equal(userName(1002), '1002')
})
