//! Tests of the public API, all in one program: what a host or an attacker can do from outside.

#[cfg(test)]
mod bell;
#[cfg(test)]
mod clocks_apart;
#[cfg(test)]
mod crowds;
#[cfg(test)]
mod revoked_elsewhere;
#[cfg(test)]
mod support;
#[cfg(test)]
mod token_bounds;
#[cfg(test)]
mod token_forgeries;
#[cfg(test)]
mod token_hostile;
#[cfg(test)]
mod token_peers;
#[cfg(test)]
mod token_vectors;
#[cfg(test)]
mod token_world;
#[cfg(test)]
mod tokens;
