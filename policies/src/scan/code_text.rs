//! Stretches of pasted source code: `SOURCE_CODE`.
