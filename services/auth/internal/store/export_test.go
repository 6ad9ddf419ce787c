package store

// ForgetTokens is the statement of Forget, so that a test can check its plan.
const ForgetTokens = forgetTokens
