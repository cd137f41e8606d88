//! Prompt injection and jailbreaks, told by many weak signs: `PROMPT_INJECTION`.
