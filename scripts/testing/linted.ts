// Rust that is built for tests is linted on the way: clippy on its own would compile all of it, and all
// that it depends on, a second time.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Clippy in place of the compiler for our own crates; a warning ends the build. */
export function lintedEnv(): NodeJS.ProcessEnv {
  const root = execFileSync('rustc', ['--print', 'sysroot'], { encoding: 'utf8' }).trim()
  const driver = join(root, 'bin/clippy-driver')
  if (!existsSync(driver)) {
    throw new Error(`there is no ${driver}\nnext:  rustup component add clippy`)
  }
  // As `cargo clippy -- -D warnings` hands it over.
  const args = ['-D', 'warnings'].map(arg => `${arg}__CLIPPY_HACKERY__`).join('')
  return { ...process.env, RUSTC_WORKSPACE_WRAPPER: driver, CLIPPY_ARGS: args }
}
