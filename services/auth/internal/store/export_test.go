package store

// PurgeTokens is the statement of Purge, so that a test can check its plan.
const PurgeTokens = purgeTokens
