//! Made-up sound in place of what was lost: the last pitch period goes on and fades.
